/**
 * Due heap: the timed messages of the seconds at hand, in the order in which they are due; equal times keep the order in
 * which they came.
 *
 * A binary heap over plain arrays of numbers: 33 bytes for each message, and no object.
 */
const ROOM_MIN = 1024

export class DueHeap {
  #due = new Float64Array(ROOM_MIN)
  #rank = new Float64Array(ROOM_MIN)
  #slot = new Float64Array(ROOM_MIN)
  #position = new Float64Array(ROOM_MIN)
  #magic = new Uint8Array(ROOM_MIN)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Of the first; Infinity if there is none. */
  get dueAtMs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#due[0] as number)
  }

  get rank(): number {
    return this.#rank[0] as number // Read while there is a first, as are those below.
  }

  get slotMs(): number {
    return this.#slot[0] as number
  }

  get position(): number {
    return this.#position[0] as number
  }

  get magic(): number {
    return this.#magic[0] as number
  }

  /** Among equal times that of the lower rank comes first. */
  push(dueAtMs: number, rank: number, slotMs: number, position: number, magic: number): void {
    if (this.#count === this.#due.length) this.#resize(2 * this.#count)
    let at = this.#count++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isAfter(parent, dueAtMs, rank)) break
      this.#move(parent, at)
      at = parent
    }
    this.#set(at, dueAtMs, rank, slotMs, position, magic)
  }

  /** Takes the first out. */
  pop(): void {
    const last = --this.#count
    if (last <= 0) return
    const due = this.#due[last] as number // Below the count that was.
    const rank = this.#rank[last] as number
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      const right = child + 1
      if (right < last && this.#isAfter(child, this.#due[right] as number, this.#rank[right] as number)) child = right
      if (this.#isAfter(child, due, rank)) break
      this.#move(child, at)
      at = child
    }
    this.#move(last, at)
    if (this.#due.length > ROOM_MIN && last < this.#due.length / 8) this.#resize(this.#due.length / 2)
  }

  #isAfter(index: number, dueAtMs: number, rank: number): boolean {
    const due = this.#due[index] as number
    return due > dueAtMs || (due === dueAtMs && (this.#rank[index] as number) > rank)
  }

  #move(from: number, to: number): void {
    this.#due[to] = this.#due[from] as number
    this.#rank[to] = this.#rank[from] as number
    this.#slot[to] = this.#slot[from] as number
    this.#position[to] = this.#position[from] as number
    this.#magic[to] = this.#magic[from] as number
  }

  #set(at: number, dueAtMs: number, rank: number, slotMs: number, position: number, magic: number): void {
    this.#due[at] = dueAtMs
    this.#rank[at] = rank
    this.#slot[at] = slotMs
    this.#position[at] = position
    this.#magic[at] = magic
  }

  #resize(room: number): void {
    this.#due = resized(this.#due, room)
    this.#rank = resized(this.#rank, room)
    this.#slot = resized(this.#slot, room)
    this.#position = resized(this.#position, room)
    const magic = new Uint8Array(room)
    magic.set(this.#magic.subarray(0, Math.min(room, this.#magic.length)))
    this.#magic = magic
  }
}

function resized(array: Float64Array<ArrayBuffer>, room: number): Float64Array<ArrayBuffer> {
  const next = new Float64Array(room)
  next.set(array.subarray(0, Math.min(room, array.length)))
  return next
}
