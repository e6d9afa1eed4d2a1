/**
 * Buffers for what is being sent: taken when a connection has something to say, given back as soon as the system has
 * copied it. An idle connection has none.
 *
 * Four sizes are kept, a bounded number of each; a buffer that is larger than all of them is made for its one use.
 */
import { KiB, MiB } from '../../base/index.ts'

export interface Room {
  readonly bytes: Buffer
  /** Of the same bytes, for what is written by words. */
  readonly view: DataView
}

export const NO_ROOM: Room = roomFor(0)

interface Shelf {
  readonly sizeBytes: number
  readonly countMax: number
  readonly free: Room[]
}

const shelf = (sizeBytes: number, countMax: number): Shelf => ({ sizeBytes, countMax, free: [] })

export class BufferPool {
  readonly #shelves: readonly Shelf[] = [
    shelf(4 * KiB, 256),
    shelf(64 * KiB, 64),
    shelf(512 * KiB, 8),
    shelf(4 * MiB, 2)
  ]

  take(bytesMin: number): Room {
    for (const { sizeBytes, free } of this.#shelves) {
      if (sizeBytes >= bytesMin) return free.pop() ?? roomFor(sizeBytes)
    }
    return roomFor(bytesMin)
  }

  give(room: Room): void {
    for (const { sizeBytes, countMax, free } of this.#shelves) {
      if (sizeBytes !== room.bytes.length) continue
      if (free.length < countMax) free.push(room)
      return
    }
  }
}

function roomFor(sizeBytes: number): Room {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, sizeBytes) }
}
