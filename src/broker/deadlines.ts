/**
 * Deadlines: a great many things that are due at some time, most of which will be done before. One timer serves all.
 *
 * A wheel of lists: adding and removing cost the same however many there are, and nothing is allocated. The timer is set
 * to the earliest of all, so that what is due is told within a millisecond, and never early.
 *
 * Invariants:
 * - a node is in at most one list; one that is removed, or told to be due, is in none
 * - the alarm rings no later than the earliest deadline
 *
 * Not here: what is due (long-polling.ts, send-queue.ts, send-durability.ts).
 */
import { assert, type Clock } from '../base/index.ts'

const SLOT_MS = 4
/** One turn of the wheel takes 16 s: what a consumer usually waits fits into one. */
const SLOT_COUNT = 4096

/** Something that can be due; what waits extends it. */
export class DeadlineNode {
  /** By the monotonic clock. */
  dueAtMs = 0
  slot = NOWHERE
  previous: DeadlineNode | undefined
  next: DeadlineNode | undefined
}
const NOWHERE = -1

/** The one timer. Setting it again replaces what was set; it may ring early by what the system rounds. */
export interface Alarm {
  set(ms: number, ring: () => void): void
  clear(): void
}

/** Does not keep the process alive. */
export function systemAlarm(): Alarm {
  let timer: NodeJS.Timeout | undefined
  return {
    set(ms, ring) {
      clearTimeout(timer)
      timer = setTimeout(ring, Math.min(ms, TIMEOUT_MS_MAX)).unref()
    },
    clear() {
      clearTimeout(timer)
    }
  }
}
const TIMEOUT_MS_MAX = 2 ** 31 - 1

export interface DeadlineWorld {
  readonly clock: Clock
  readonly alarm: Alarm
}

export class Deadlines<Node extends DeadlineNode> {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #onDue: (node: Node) => void
  readonly #slots: (DeadlineNode | undefined)[] = new Array<DeadlineNode | undefined>(SLOT_COUNT).fill(undefined)
  /** Everything in slots of ticks before has been looked at. */
  #tick: number
  #alarmAtMs = Number.POSITIVE_INFINITY
  #count = 0

  constructor({ clock, alarm }: DeadlineWorld, onDue: (node: Node) => void) {
    this.#clock = clock
    this.#alarm = alarm
    this.#onDue = onDue
    this.#tick = tickOf(clock.monotonicMs())
  }

  get count(): number {
    return this.#count
  }

  add(node: Node, dueAtMs: number): void {
    assert(node.slot === NOWHERE, 'a node waits once')
    const slot = Math.max(tickOf(dueAtMs), this.#tick) % SLOT_COUNT
    const first = this.#slots[slot]
    node.dueAtMs = dueAtMs
    node.slot = slot
    node.previous = undefined
    node.next = first
    if (first !== undefined) first.previous = node
    this.#slots[slot] = node
    this.#count++
    if (dueAtMs < this.#alarmAtMs) this.#setAlarm(dueAtMs)
  }

  /** No error if it is not waiting. */
  remove(node: Node): void {
    if (node.slot !== NOWHERE) this.#unlink(node)
  }

  close(): void {
    this.#alarm.clear()
    this.#alarmAtMs = Number.POSITIVE_INFINITY
  }

  readonly #ring = (): void => {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonicMs()
    const due = this.#takeDue(nowMs)
    this.#setAlarm(this.#earliestMs())
    for (const node of due) this.#onDue(node)
  }

  /** In the order of their deadlines. */
  #takeDue(nowMs: number): Node[] {
    const due: Node[] = []
    const last = tickOf(nowMs)
    const from = Math.max(this.#tick, last - SLOT_COUNT + 1)
    for (let tick = from; tick <= last; tick++) {
      let node = this.#slots[tick % SLOT_COUNT]
      while (node !== undefined) {
        const { next } = node
        if (node.dueAtMs <= nowMs) {
          this.#unlink(node)
          due.push(node as Node) // Only such nodes are added.
        }
        node = next
      }
    }
    this.#tick = last // Its slot may hold what is due later within it.
    return due.sort((a, b) => a.dueAtMs - b.dueAtMs)
  }

  #earliestMs(): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY
    for (let tick = this.#tick; tick < this.#tick + SLOT_COUNT; tick++) {
      let earliestMs = Number.POSITIVE_INFINITY
      for (let node = this.#slots[tick % SLOT_COUNT]; node !== undefined; node = node.next) {
        if (node.dueAtMs < earliestMs && node.dueAtMs < (tick + 1) * SLOT_MS) earliestMs = node.dueAtMs
      }
      if (earliestMs !== Number.POSITIVE_INFINITY) return earliestMs
    }
    return (this.#tick + SLOT_COUNT) * SLOT_MS // Nothing within this turn of the wheel.
  }

  #setAlarm(atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#alarmAtMs = atMs
    this.#alarm.set(Math.max(0, Math.ceil(atMs - this.#clock.monotonicMs())), this.#ring)
  }

  #unlink(node: DeadlineNode): void {
    const { previous, next } = node
    if (previous === undefined) this.#slots[node.slot] = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    node.previous = node.next = undefined
    node.slot = NOWHERE
    this.#count--
  }
}

const tickOf = (ms: number): number => Math.floor(ms / SLOT_MS)
