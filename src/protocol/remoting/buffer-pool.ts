/**
 * Buffers for what is being sent: taken when a connection has something to say, given back as soon as the system has
 * copied it. An idle connection has none.
 *
 * Four sizes are kept, a bounded number of each; a buffer that is larger than all of them is made for its one use.
 */
import { KiB, MiB } from '../../base/index.ts'

interface Shelf {
  readonly sizeBytes: number
  readonly countMax: number
  readonly free: Buffer[]
}

const shelf = (sizeBytes: number, countMax: number): Shelf => ({ sizeBytes, countMax, free: [] })

export class BufferPool {
  readonly #shelves: readonly Shelf[] = [
    shelf(4 * KiB, 256),
    shelf(64 * KiB, 64),
    shelf(512 * KiB, 8),
    shelf(4 * MiB, 2)
  ]

  take(bytesMin: number): Buffer {
    for (const { sizeBytes, free } of this.#shelves) {
      if (sizeBytes >= bytesMin) return free.pop() ?? Buffer.allocUnsafeSlow(sizeBytes)
    }
    return Buffer.allocUnsafeSlow(bytesMin)
  }

  give(buffer: Buffer): void {
    for (const { sizeBytes, countMax, free } of this.#shelves) {
      if (sizeBytes !== buffer.length) continue
      if (free.length < countMax) free.push(buffer)
      return
    }
  }
}
