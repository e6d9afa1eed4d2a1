/**
 * Half ledger: what becomes of each half message, in memory and in operation messages, and how far everything is done.
 *
 * A message that is asked about is stored again behind all others, as Apache RocketMQ does, so that the old ones do not
 * hold up the queue and its count of checks survives a crash. Producers may still answer for the copy that they know: the
 * ledger follows it to the one that stands for it now.
 *
 * Invariants:
 * - a decision is taken once, whichever copy it names
 * - a rollback, and that a copy replaces another, is in the log before anybody hears of it. A commit is in the log as the
 *   message itself; that it stands in an operation message only later can be found out (commit-search.ts)
 * - the progress in both queues, kept as offsets of the broker's own group, passes only what is done
 *
 * Not here: deciding (transactions.ts, transaction-check.ts), what is on disk already (half-reading.ts).
 */
import type { Store } from '../../store/index.ts'
import { TRANSACTION_GROUP } from '../groups.ts'
import type { ConsumerOffsets } from '../offsets.ts'
import { HALF_QUEUE } from './half-kind.ts'
import { HALF_STATE, type HalfState, HalfStates } from './half-states.ts'
import { OPERATION_QUEUE, Operations, type OperationsWorld } from './operations.ts'

export interface HalfLedgerWorld extends OperationsWorld {
  readonly store: Pick<Store, 'minOffset' | 'maxOffset'>
  readonly offsets: Pick<ConsumerOffsets, 'find' | 'commit'>
  readonly config: OperationsWorld['config'] & { readonly messageIndexEnable: boolean }
}

export type Decision = 'commit' | 'rollback'

export class HalfLedger {
  readonly states: HalfStates
  readonly operations: Operations
  /** Half messages of an earlier run that may have been committed without a word in any operation message. */
  readonly inherited = new Set<number>()
  readonly #world: HalfLedgerWorld
  /** From each copy that was replaced to the one that replaced it. */
  readonly #newer = new Map<number, number>()
  /** From each copy to those that it stands for. */
  readonly #older = new Map<number, number[]>()

  constructor(world: HalfLedgerWorld) {
    this.#world = world
    this.states = new HalfStates(this.#startOf(HALF_QUEUE))
    this.operations = new Operations(world, this.#startOf(OPERATION_QUEUE))
  }

  /** Where the half queue ends. */
  get end(): number {
    return this.#world.store.maxOffset(HALF_QUEUE)
  }

  /** The copy that stands for the message now. */
  current(offset: number): number {
    return this.#newer.get(offset) ?? offset
  }

  /**
   * The message is decided: once, and by its current copy.
   * @throws VarveError as `Store.append`, and nothing has changed then: a rollback is written at once
   */
  decide(offset: number, decision: Decision): void {
    if (decision === 'rollback' || !this.#world.config.messageIndexEnable) this.#writeWith(offset)
    else this.operations.add(offset)
    this.#end(offset, decision === 'commit' ? HALF_STATE.committed : HALF_STATE.rolledBack)
  }

  /** Nobody asks for it any more: it is given up, cannot be read, or was decided in an earlier run. */
  close(offset: number): void {
    this.operations.add(offset)
    this.#end(offset, HALF_STATE.closed)
  }

  /** A copy at `copy` stands for what stood at `offset`. `writeOperations` follows in the same turn. */
  replace(offset: number, copy: number): void {
    this.operations.add(offset)
    this.states.set(offset, HALF_STATE.closed)
    this.inherited.delete(offset)
    this.linkCopy(offset, copy)
  }

  /** Answers for `offset` are answers for `copy`. */
  linkCopy(offset: number, copy: number): void {
    const older = [...(this.#older.get(offset) ?? []), offset]
    this.#older.delete(offset)
    this.#older.set(copy, older)
    for (const one of older) this.#newer.set(one, copy)
  }

  /** Passes what is done in both queues. */
  advance(): void {
    const { store, offsets } = this.#world
    this.states.skipTo(store.minOffset(HALF_QUEUE))
    this.states.advance(this.end)
    const { base } = this.states
    this.operations.passBelow(base)
    const commit = (queue: typeof HALF_QUEUE, offset: number): void => {
      const place = { ...queue, group: TRANSACTION_GROUP }
      if (offsets.find(place) !== offset) offsets.commit(place, offset)
    }
    commit(HALF_QUEUE, base)
    commit(OPERATION_QUEUE, this.operations.nextOffset)
  }

  #writeWith(offset: number): void {
    this.operations.add(offset)
    try {
      this.operations.write()
    } catch (error) {
      this.operations.takeBack(offset)
      throw error
    }
  }

  #end(offset: number, state: HalfState): void {
    this.states.set(offset, state)
    this.inherited.delete(offset)
    for (const one of this.#older.get(offset) ?? []) this.#newer.delete(one)
    this.#older.delete(offset)
  }

  /** Never beyond the end: the log may have lost what the offsets on disk have passed. */
  #startOf(queue: typeof HALF_QUEUE): number {
    const { store, offsets } = this.#world
    const kept = offsets.find({ ...queue, group: TRANSACTION_GROUP }) ?? 0
    return Math.max(store.minOffset(queue), Math.min(kept, store.maxOffset(queue)))
  }
}
