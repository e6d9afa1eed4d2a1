/**
 * The file `checkpoint` of Apache RocketMQ: up to when each kind of file was on disk, as store times of messages.
 *
 * Varve keeps it for Apache's sake, which decides by it where to begin after a crash. Too early a time costs work, too
 * late a time loses messages: so whatever is missing or cannot be a time reads as 0, which is "from the beginning".
 *
 * Not here: Varve's own watermarks, as positions (state-file.ts).
 */
import { CHECKPOINT, CHECKPOINT_FILE_BYTES } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { checkpointPath } from './paths.ts'

export type Checkpoint = Readonly<ReturnType<typeof CHECKPOINT.read>>

/** `directory` is the root of the store. A missing file reads as zeros. */
export function readCheckpoint(files: Files, directory: string): Checkpoint {
  const path = checkpointPath(directory)
  const bytes = new Uint8Array(CHECKPOINT.sizeBytes)
  if (files.find(path) !== undefined) {
    const file = files.open(path, 'read')
    try {
      file.read(bytes, 0)
    } finally {
      file.close()
    }
  }
  const checkpoint = CHECKPOINT.read(new DataView(bytes.buffer), 0)
  for (const name of CHECKPOINT.names) {
    if (!Number.isSafeInteger(checkpoint[name]) || checkpoint[name] < 0) checkpoint[name] = 0
  }
  return checkpoint
}

/** Writes in place, as Apache RocketMQ does: all numbers lie in one sector, so a crash leaves the old ones or the new. */
export class CheckpointFile {
  readonly #file: OpenFile
  readonly #bytes = new Uint8Array(CHECKPOINT.sizeBytes)

  /** Makes the file, durable under its name, if there is none. */
  constructor(files: Files, directory: string) {
    this.#file = files.open(checkpointPath(directory), 'create')
    try {
      if (this.#file.sizeBytes() >= CHECKPOINT_FILE_BYTES) return
      this.#file.allocate(0, CHECKPOINT_FILE_BYTES, { keepSize: false })
      this.#file.syncAll()
      files.syncDirectory(directory)
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  /** `queuesPhysicalOffset` may be left out: 0 is "not known". */
  write(
    checkpoint: Omit<Checkpoint, 'queuesPhysicalOffset'> & Partial<Checkpoint>,
    { durable }: { durable: boolean }
  ): void {
    CHECKPOINT.write(new DataView(this.#bytes.buffer), 0, { queuesPhysicalOffset: 0, ...checkpoint })
    this.#file.write(this.#bytes, 0)
    if (durable) this.#file.sync(0, this.#bytes.length)
  }

  close(): void {
    this.#file.close()
  }
}
