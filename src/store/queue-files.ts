/**
 * Queue files: the files of consume queues, opened when needed and closed when too many are.
 *
 * A queue file has the full size of the format from the start, but blocks only where entries were written. With tens
 * of thousands of queues not all files can stay open: the ones not used for longest are closed, and when the system
 * refuses another descriptor the limit is lowered for good.
 *
 * Used by the dispatcher for writing and, separately, by the owner for reading. Entry n lies at byte n × 20.
 */
import { join } from 'node:path'
import { VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, segmentName } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { queueDirectory } from './paths.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const OPEN_MIN = 16

export interface QueueFilesOptions {
  readonly directory: string
  readonly queueFileEntries: number
  readonly mode: 'read' | 'write'
  readonly openMax: number
}

export class QueueFiles {
  readonly #files: Files
  readonly #options: QueueFilesOptions
  /** In order of use: the least recent first. Keyed by path of the file. */
  readonly #open = new Map<string, OpenFile>()
  #openMax: number

  constructor(files: Files, options: QueueFilesOptions) {
    this.#files = files
    this.#options = options
    this.#openMax = options.openMax
  }

  /** The file that holds entry `offset`; in mode 'write' it is made when missing, in mode 'read' undefined is returned. */
  find(topic: string, queueId: number, offset: number): OpenFile | undefined {
    const { directory, queueFileEntries, mode } = this.#options
    const base = (offset - (offset % queueFileEntries)) * ENTRY_BYTES
    const parent = queueDirectory(directory, topic, queueId)
    const path = join(parent, segmentName(base))
    const known = this.#open.get(path)
    if (known !== undefined) {
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    if (mode === 'read' && this.#files.find(path) === undefined) return undefined
    this.#closeDownTo(this.#openMax - 1)
    const file = this.#openFile(path, parent, queueFileEntries * ENTRY_BYTES)
    this.#open.set(path, file)
    return file
  }

  /** Closes the files of a topic, or all of them. */
  close(topicDirectory = ''): void {
    for (const [path, file] of this.#open) {
      if (!path.startsWith(topicDirectory)) continue
      this.#open.delete(path)
      file.close()
    }
  }

  #openFile(path: string, parent: string, fileBytes: number): OpenFile {
    for (;;) {
      try {
        if (this.#options.mode === 'read') return this.#files.open(path, 'read')
        return this.#openForWriting(path, parent, fileBytes)
      } catch (error) {
        if (!(error instanceof VarveError) || error.code !== 'STORE_FILE_LIMIT' || this.#openMax <= OPEN_MIN)
          throw error
        this.#openMax = Math.max(OPEN_MIN, Math.floor(this.#open.size / 2))
        this.#closeDownTo(this.#openMax - 1)
      }
    }
  }

  #openForWriting(path: string, parent: string, fileBytes: number): OpenFile {
    const file = this.#openOrMake(path, parent)
    try {
      const sizeBytes = file.sizeBytes()
      // Shorter than the format asks for: new, or a crash came between the two steps.
      if (sizeBytes < fileBytes) file.setSize(fileBytes)
      else if (sizeBytes > fileBytes)
        throw new VarveError('STORE_LAYOUT_FOREIGN', { path, sizeBytes, expectedBytes: fileBytes })
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** Nearly all have a directory: looking for it first would cost each of them a call of the system. */
  #openOrMake(path: string, parent: string): OpenFile {
    try {
      return this.#files.open(path, 'create')
    } catch (error) {
      if (!(error instanceof VarveError) || error.details.errno !== 'ENOENT') throw error
      this.#files.makeDirectory(parent)
      return this.#files.open(path, 'create')
    }
  }

  #closeDownTo(count: number): void {
    for (const [path, file] of this.#open) {
      if (this.#open.size <= count) return
      this.#open.delete(path)
      file.close()
    }
  }
}
