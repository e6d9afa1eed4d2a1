/**
 * Long polling: pulls that wait for a message of their queue, woken by the append itself.
 *
 * An append notes its queue, which costs a look-up, or nothing where nobody waits. At the end of the turn of the event loop
 * everybody who waits for a noted queue is told, once however many messages came. With synchronous flush messages can be
 * read once they are on disk; then they are told after the flush that covers them.
 *
 * Invariants:
 * - a pull waits in one place at a time, and is told of either an arrival or its deadline
 * - no wake-up is lost: between the look that found nothing and `park` no message can become readable unnoticed, because
 *   nothing else runs; with synchronous flush, where that happens by itself, whoever parks is told after the next flush
 * - nobody whose connection is gone is told anything
 *
 * Not here: what is read then, and whether it is an answer (pulling.ts).
 */
import type { Clock } from '../base/index.ts'
import type { RecordFilter, Store } from '../store/index.ts'
import type { Arrivals } from './appending.ts'
import { type Alarm, DeadlineNode, Deadlines } from './deadlines.ts'
import { keptPull, type PullAnswer, type PullRequest } from './pull-request.ts'

export class ParkedPull extends DeadlineNode {
  readonly request: PullRequest
  readonly answer: PullAnswer
  /** By the monotonic clock. */
  readonly untilMs: number
  /** Messages below were looked at and refused by `filter`. */
  scannedUntil: number
  filter: RecordFilter | undefined
  queue: ParkedQueue | undefined

  constructor(request: PullRequest, answer: PullAnswer, filter: RecordFilter | undefined, untilMs: number) {
    super()
    this.request = keptPull(request)
    this.answer = answer
    this.untilMs = untilMs
    this.scannedUntil = request.offset
    this.filter = filter
  }
}

interface ParkedQueue {
  readonly pulls: Set<ParkedPull>
  isNoted: boolean
}

export interface LongPollingWorld {
  readonly store: Pick<Store, 'flushed' | 'info'>
  readonly clock: Clock
  readonly alarm: Alarm
  /** Runs it when everything else that this turn of the event loop has to do is done. */
  readonly defer: (run: () => void) => void
}

/** A pull that waited: look again; with `isLast` its time is up. */
export type Retry = (pull: ParkedPull, isLast: boolean) => void

export class LongPolling implements Arrivals {
  readonly #world: LongPollingWorld
  readonly #waitsForFlush: boolean
  readonly #deadlines: Deadlines<ParkedPull>
  readonly #topics = new Map<string, (ParkedQueue | undefined)[]>()
  readonly #byLink = new Map<object, Set<ParkedPull>>()
  #noted: ParkedQueue[] = []
  #isScheduled = false
  #retry: Retry = unconnected

  constructor(world: LongPollingWorld) {
    this.#world = world
    this.#waitsForFlush = world.store.info().flush === 'sync'
    this.#deadlines = new Deadlines(world, pull => this.#expire(pull))
  }

  get count(): number {
    return this.#deadlines.count
  }

  /** Who looks again; set once, before anything is parked. */
  onRetry(retry: Retry): void {
    this.#retry = retry
  }

  /** Lets the pull wait. */
  park(pull: ParkedPull): void {
    this.#add(pull)
    if (this.#waitsForFlush) this.#note(pull.queue as ParkedQueue) // Just set.
  }

  /** Lets it wait again, after a look that was told of an arrival; `more` if not everything was looked at yet. */
  parkAgain(pull: ParkedPull, { more }: { readonly more: boolean }): void {
    this.#add(pull)
    if (more) this.#note(pull.queue as ParkedQueue) // Just set.
  }

  arrived(topic: string, queueId: number): void {
    if (this.#deadlines.count === 0) return
    const queue = this.#topics.get(topic)?.[queueId]
    if (queue !== undefined && queue.pulls.size > 0) this.#note(queue)
  }

  /** The topic was changed or deleted: who waits for it looks again. */
  topicChanged(topic: string): void {
    for (const queue of this.#topics.get(topic) ?? [])
      if (queue !== undefined && queue.pulls.size > 0) this.#note(queue)
  }

  /** The connection is gone: its pulls are forgotten. */
  closed(link: object): void {
    for (const pull of this.#byLink.get(link) ?? []) this.#remove(pull)
  }

  close(): void {
    this.#deadlines.close()
  }

  #add(pull: ParkedPull): void {
    const { topic, queueId, link } = pull.request
    pull.queue = this.#queue(topic, queueId)
    pull.queue.pulls.add(pull)
    this.#deadlines.add(pull, pull.untilMs)
    const ofLink = this.#byLink.get(link.key)
    if (ofLink === undefined) this.#byLink.set(link.key, new Set([pull]))
    else ofLink.add(pull)
  }

  #remove(pull: ParkedPull): void {
    const { link } = pull.request
    pull.queue?.pulls.delete(pull)
    pull.queue = undefined
    this.#deadlines.remove(pull)
    const ofLink = this.#byLink.get(link.key)
    ofLink?.delete(pull)
    if (ofLink?.size === 0) this.#byLink.delete(link.key)
  }

  /** Topics and queues that are waited for exist, so there are not more of these than of those. */
  #queue(topic: string, queueId: number): ParkedQueue {
    let queues = this.#topics.get(topic)
    if (queues === undefined) {
      queues = []
      this.#topics.set(topic, queues)
    }
    const known = queues[queueId]
    if (known !== undefined) return known
    const made = { pulls: new Set<ParkedPull>(), isNoted: false }
    queues[queueId] = made
    return made
  }

  #note(queue: ParkedQueue): void {
    if (queue.isNoted) return
    queue.isNoted = true
    this.#noted.push(queue)
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#world.defer(this.#endOfTurn)
  }

  readonly #endOfTurn = (): void => {
    this.#isScheduled = false
    const noted = this.#noted
    this.#noted = []
    // What is appended from here on is noted anew, for the next flush.
    for (const queue of noted) queue.isNoted = false
    if (!this.#waitsForFlush) return this.#wake(noted)
    const wake = (): void => this.#wake(noted)
    this.#world.store.flushed().then(wake, wake) // A store that failed has no more messages; who waits may look.
  }

  #wake(queues: readonly ParkedQueue[]): void {
    for (const queue of queues) {
      for (const pull of [...queue.pulls]) {
        if (pull.queue !== queue) continue // Removed by what another was told.
        this.#remove(pull)
        if (pull.request.link.isOpen) this.#retry(pull, false)
      }
    }
  }

  #expire(pull: ParkedPull): void {
    if (pull.queue === undefined) return
    this.#remove(pull)
    if (pull.request.link.isOpen) this.#retry(pull, true)
  }
}

function unconnected(): void {
  throw new Error('pulls are parked only once somebody looks again')
}
