/**
 * Queue files: the files of consume queues, opened when needed and closed when too many are.
 *
 * A queue file has the full size of the format from the start, but blocks only where entries were written. With tens
 * of thousands of queues not all files can stay open. Any of them is closed for another, by chance: queues are written in
 * turns, and the one not used for longest would always be the one that is needed next. When the system refuses another
 * descriptor the limit is lowered for good.
 *
 * Used by the dispatcher for writing and, separately, by the owner for reading. Entry n lies at byte n × 20. Which files
 * have been written to is remembered, as long as they are few, so that those alone need be made durable.
 */
import { join } from 'node:path'
import { seededRandom, VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, segmentName } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { queueDirectory } from './paths.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const OPEN_MIN = 16
/** Of more files each costs more to make durable by itself than all of them at once. */
const CHANGED_COUNT_MAX = 64

export interface QueueFilesOptions {
  readonly directory: string
  readonly queueFileEntries: number
  readonly mode: 'read' | 'write'
  readonly openMax: number
}

/** Open until it has to make room for another. */
export interface QueueFile {
  readonly path: string
  /** Of the entry that it begins with. */
  readonly firstOffset: number
  readonly file: OpenFile
  isOpen: boolean
  /** What `QueueFiles` counted when it was last written to. */
  changedIn: number
}

export class QueueFiles {
  readonly #files: Files
  readonly #options: QueueFilesOptions
  readonly #byPath = new Map<string, QueueFile>()
  readonly #open: QueueFile[] = []
  readonly #random = seededRandom(0)
  #openMax: number
  #changed = new Set<string>()
  /** How often what had changed was asked for. */
  #turn = 0

  constructor(files: Files, options: QueueFilesOptions) {
    this.#files = files
    this.#options = options
    this.#openMax = options.openMax
  }

  /**
   * The file that holds entry `offset`; in mode 'write' it is made when missing, in mode 'read' undefined is returned.
   * `last`: what was found for the queue before, if anything; most often it is that.
   */
  find(topic: string, queueId: number, offset: number, last?: QueueFile): QueueFile | undefined {
    const { directory, queueFileEntries, mode } = this.#options
    const firstOffset = offset - (offset % queueFileEntries)
    if (last?.isOpen === true && last.firstOffset === firstOffset) return last
    const parent = queueDirectory(directory, topic, queueId)
    const path = join(parent, segmentName(firstOffset * ENTRY_BYTES))
    const known = this.#byPath.get(path)
    if (known !== undefined) return known
    if (mode === 'read' && this.#files.find(path) === undefined) return undefined
    this.#closeDownTo(this.#openMax - 1)
    const file = this.#openFile(path, parent, queueFileEntries * ENTRY_BYTES)
    const found = { path, firstOffset, file, isOpen: true, changedIn: -1 }
    this.#byPath.set(path, found)
    this.#open.push(found)
    return found
  }

  /** The file has been written to. */
  noteChange(file: QueueFile): void {
    if (file.changedIn === this.#turn) return
    file.changedIn = this.#turn
    if (this.#changed.size <= CHANGED_COUNT_MAX) this.#changed.add(file.path)
  }

  /** The files that have been written to since this was last asked; undefined if they are too many to name. */
  takeChanged(): readonly string[] | undefined {
    const changed = this.#changed
    this.#changed = new Set()
    this.#turn++
    return changed.size > CHANGED_COUNT_MAX ? undefined : [...changed]
  }

  /** Closes the files of a topic, or all of them. */
  close(topicDirectory = ''): void {
    for (let place = this.#open.length - 1; place >= 0; place--) {
      if (this.#open[place]?.path.startsWith(topicDirectory)) this.#close(place)
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
        this.#openMax = Math.max(OPEN_MIN, Math.floor(this.#open.length / 2))
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
    while (this.#open.length > count) this.#close(this.#random.below(this.#open.length))
  }

  #close(place: number): void {
    const closed = this.#open[place] as QueueFile // Below length.
    const last = this.#open.pop() as QueueFile // As there is one to close.
    if (last !== closed) this.#open[place] = last
    this.#byPath.delete(closed.path)
    closed.isOpen = false
    closed.file.close()
  }
}
