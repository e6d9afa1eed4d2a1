/**
 * Waiting until what was sent is on disk, but not for ever: a client that waits longer than `syncFlushTimeout` is told so,
 * and its message is stored all the same.
 *
 * Whoever begins to wait in one turn of the event loop, over whichever connection, shares one group: one question to the
 * store, so one sync, and one deadline for all of them, so that a send costs neither a promise nor a timer.
 */
import type { Clock } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { refusalOfStore } from './appending.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type Alarm, DeadlineNode, Deadlines } from './deadlines.ts'

export interface DurabilityWorld {
  readonly store: Pick<Store, 'flushed'>
  readonly config: Pick<BrokerConfig, 'syncFlushTimeout'>
  readonly clock: Clock
  readonly alarm: Alarm
  /** Runs it when everything else that this turn of the event loop has to do is done. */
  readonly defer: (run: () => void) => void
}

/** Told exactly once. */
export interface DurableAnswer {
  /** Whether it came onto the disk in time, or why it never will: BROKER_UNAVAILABLE. */
  durable(outcome: boolean | Error): void
}

class Group extends DeadlineNode {
  readonly answers: DurableAnswer[] = []
  until = 0
}

export class Durability {
  readonly #world: DurabilityWorld
  readonly #deadlines: Deadlines<Group>
  /** Of those that began to wait in this turn. */
  #gathering: Group | undefined

  constructor(world: DurabilityWorld) {
    this.#world = world
    this.#deadlines = new Deadlines(world, group => tell(group, false))
  }

  /** The answer comes when everything below `until` is on disk, when the time is up, or when the store fails. */
  durable(until: number, answer: DurableAnswer): void {
    let group = this.#gathering
    if (group === undefined) {
      group = this.#gathering = new Group()
      this.#world.defer(this.#ask)
    }
    if (until > group.until) group.until = until
    group.answers.push(answer)
  }

  close(): void {
    this.#deadlines.close()
  }

  readonly #ask = (): void => {
    const { store, config, clock } = this.#world
    const group = this.#gathering as Group // Made by whoever scheduled this.
    this.#gathering = undefined
    this.#deadlines.add(group, clock.monotonicMs() + config.syncFlushTimeout)
    store.flushed(group.until, group.answers.length).then(
      () => this.#end(group, true),
      error => this.#end(group, refusalOfStore(error) as Error) // Promises of the store are rejected with errors.
    )
  }

  #end(group: Group, outcome: boolean | Error): void {
    this.#deadlines.remove(group)
    tell(group, outcome)
  }
}

/** All of the group, unless they have been told. */
function tell({ answers }: Group, outcome: boolean | Error): void {
  for (const answer of answers.splice(0)) answer.durable(outcome)
}
