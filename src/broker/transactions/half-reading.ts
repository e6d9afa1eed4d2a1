/**
 * Reading what an earlier run has left in the two queues: which half messages are decided, which of the others are copies
 * of earlier ones, and for which topics they are.
 *
 * Only what is not done is read: operation messages from where they are not passed, half messages that none of them names.
 */
import type { Log, VarveError } from '../../base/index.ts'
import { decodeRecord, locate, RECORD_WHOLE, RecordPositions } from '../../layout/index.ts'
import type { RecordViews, Store } from '../../store/index.ts'
import { HALF_QUEUE } from './half-kind.ts'
import type { HalfLedger } from './half-ledger.ts'
import type { HalfMessage } from './half-message.ts'
import { HALF_STATE } from './half-states.ts'
import { OPERATION_QUEUE } from './operations.ts'
import type { TransactionCounts } from './transaction-counts.ts'

export interface HalfReadingWorld {
  readonly store: Pick<Store, 'readViews' | 'maxOffset'>
  readonly ledger: HalfLedger
  readonly half: HalfMessage
  readonly counts: TransactionCounts
  readonly log: Log
}

/** At once: a turn of the event loop stays short. */
const READ_COUNT = 32

export async function readHalfMessages(world: HalfReadingWorld): Promise<void> {
  await readOperations(world)
  await readPending(world)
  world.ledger.advance()
}

async function readOperations({ store, ledger, log }: HalfReadingWorld): Promise<void> {
  const { operations, states } = ledger
  const until = store.maxOffset(OPERATION_QUEUE)
  const positions = new RecordPositions()
  for (let offset = operations.nextOffset; offset < until; ) {
    const views = await store.readViews({ ...OPERATION_QUEUE, offset, countMax: Math.min(READ_COUNT, until - offset) })
    logDamaged(log, views.damaged)
    for (const record of views.bytes) {
      const view = new DataView(record.buffer, record.byteOffset, record.length)
      const isWhole = locate(view, 0, record.length, positions) === RECORD_WHOLE
      const body = isWhole ? decodeRecord(record, view, positions).body : new Uint8Array(0)
      for (const halfOffset of operations.found(body)) {
        if (states.isPending(halfOffset)) states.set(halfOffset, HALF_STATE.closed)
      }
    }
    if (views.nextOffset <= offset) break
    offset = views.nextOffset
  }
}

/** Of copies of one message the last counts. One that does not say of what is a copy of the last with its unique key. */
async function readPending({ store, ledger, half, counts, log }: HalfReadingWorld): Promise<void> {
  const { states, inherited } = ledger
  const until = ledger.end
  const lastOf = new Map<number, number>()
  const firstByKey = new Map<string, number>()
  for (let offset = states.nextPending(states.base, until); offset < until; ) {
    const views = await store.readViews({ ...HALF_QUEUE, offset, countMax: Math.min(READ_COUNT, until - offset) })
    logDamaged(log, views.damaged)
    for (const [i, record] of views.bytes.entries()) {
      const at = views.offset + i
      if (!states.isPending(at)) continue
      if (!half.take(record)) {
        ledger.close(at)
        continue
      }
      const first = half.firstOffset ?? (half.isNamelessCopy ? firstByKey.get(half.uniqueKey) : undefined) ?? at
      if (half.uniqueKey !== '') firstByKey.set(half.uniqueKey, first)
      const earlier = lastOf.get(first)
      if (earlier !== undefined) closeEarlier(ledger, counts, earlier, at, half)
      else if (first !== at) linkFirst(ledger, first, at)
      lastOf.set(first, at)
      inherited.add(at)
      counts.of(half.due.message.topic).open++
    }
    const next = nextOf(views, offset)
    offset = states.nextPending(next, until)
  }
}

function closeEarlier(
  ledger: HalfLedger,
  counts: TransactionCounts,
  earlier: number,
  copy: number,
  half: HalfMessage
): void {
  ledger.replace(earlier, copy)
  counts.of(half.due.message.topic).open--
}

/** Below the base, or known by an operation message to be replaced. */
function linkFirst(ledger: HalfLedger, first: number, copy: number): void {
  if (!ledger.states.isPending(first)) ledger.linkCopy(first, copy)
}

function nextOf(views: RecordViews, offset: number): number {
  return views.nextOffset > offset ? views.nextOffset : offset + 1
}

function logDamaged(log: Log, damaged: readonly VarveError[]): void {
  for (const error of damaged) log.error('record of a transaction cannot be read', { error })
}
