/**
 * The oracle: opens a store after whatever has happened to it, and proves that the promises were kept.
 *
 * It proves, against the ledger:
 * - the store opens by itself, within a time
 * - what was acknowledged is there: once, the same bytes, the same queue, offset and position
 * - what was lost, if anything may be, is a suffix of what was appended
 * - nothing is there that was never intended, or that was known to be gone
 * - offsets of a queue are dense and its messages in the order of their producer
 * - messages are found by key and by position
 * - after more appends and a clean close, everything on disk agrees with everything else, and opens clean
 *
 * Not here: what happened to the store, and how much of it may be lost then (the scenarios).
 */
import { VarveError } from '../../src/base/index.ts'
import type { RecoveryReport, Store, StoredMessage } from '../../src/index.ts'
import { type Damage, type Files, verifyStore } from '../../src/store/index.ts'
import type { Entry, Ledger } from './ledger.ts'
import { idOf, keyOf, QUEUES } from './messages.ts'
import { produceSome } from './producer.ts'
import { Violation } from './violation.ts'

export { Violation } from './violation.ts'

export interface Expectation {
  /** What must be there: after a loss of power what was flushed, after the end of a process all that was appended. */
  readonly survives: 'appended' | 'flushed'
  /** Messages whose bytes somebody has damaged: they may be unreadable, and nothing else. */
  readonly damaged?: ReadonlySet<number>
  readonly kind?: RecoveryReport['kind']
  /** Whose order is that of the numbers of messages: of the whole log by default, or only of each queue. */
  readonly order?: 'log' | 'queue'
  /** Topics that others write to; no message of theirs is looked at. */
  readonly isElsewhere?: (topic: string) => boolean
}

/** How the oracle gets at the store: with real or simulated files, in one thread or several. */
export interface Place {
  readonly directory: string
  readonly files: Files
  open(): Promise<Store>
}

export interface Checked {
  readonly found: number
  readonly lost: number
}

const OPEN_MS_MAX = 10_000
const LOOKUPS = 5
const APPENDED_AFTERWARDS = 7

/** Leaves the store closed, with a few messages more, and the ledger settled. @throws Violation */
export async function check(place: Place, ledger: Ledger, expectation: Expectation): Promise<Checked> {
  const startedMs = performance.now()
  const store = await opened(place.open)
  const tookMs = performance.now() - startedMs
  if (tookMs > OPEN_MS_MAX) throw new Violation(`opening took ${Math.round(tookMs)} ms`)
  const checked = await checkOpen(store, ledger, expectation)
  await produceSome(store, ledger, APPENDED_AFTERWARDS)
  await store.close()

  await checkFiles(place, placesOf(ledger, expectation))
  const again = await opened(place.open)
  await checkOpen(again, ledger, { ...expectation, survives: 'flushed', kind: 'clean' })
  await again.close()
  return checked
}

/** A store opens by itself, whatever happened to it: a refusal is a violation. */
export async function opened(open: () => Promise<Store>): Promise<Store> {
  try {
    return await open()
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    throw new Violation(`the store does not open: ${error.message}`, { cause: error })
  }
}

/** The same of a store that is open. The ledger is settled. */
export async function checkOpen(store: Store, ledger: Ledger, expectation: Expectation): Promise<Checked> {
  const { recovery } = store.info()
  const { kind, damaged = new Set<number>(), isElsewhere = () => false } = expectation
  if (kind !== undefined && recovery.kind !== kind) {
    throw new Violation(`the store was left ${kind}, recovery says ${recovery.kind}`)
  }
  if (damaged.size === 0 && recovery.damaged.length > 0) {
    throw new Violation(`damage is reported where there is none: ${JSON.stringify(recovery.damaged)}`)
  }
  const found = await readEverything(store, ledger, damaged, isElsewhere)
  const lost = ledger.entries.filter(entry => entry.state !== 'gone' && !found.has(entry.id) && !damaged.has(entry.id))
  const lostCount = lost.filter(({ state }) => state === 'appended').length
  for (const entry of lost) if (isPromised(entry, expectation)) throw new Violation(`lost: ${describe(entry)}`)
  if (expectation.order === 'queue') {
    for (const queueIndex of QUEUES.keys()) checkSuffix(lost, found, ledger, queueIndex)
  } else {
    checkSuffix(lost, found, ledger)
  }
  checkBatches(ledger, found, expectation)
  await checkLookups(store, ledger, found)
  const mayBeRead = new Map(found)
  for (const id of damaged) keepPlace(mayBeRead, ledger.find(id))
  ledger.settle(mayBeRead)
  return { found: found.size, lost: lostCount }
}

function isPromised({ state }: Entry, { survives }: Expectation): boolean {
  return state === 'flushed' || (state === 'appended' && survives === 'appended')
}

function keepPlace(places: Map<number, PlaceFound>, entry: Entry | undefined): void {
  if (entry?.queueOffset === undefined) return
  places.set(entry.id, { queueOffset: entry.queueOffset, physicalOffset: entry.physicalOffset ?? 0 })
}

type PlaceFound =
  | Pick<StoredMessage, 'queueOffset' | 'physicalOffset'>
  | { queueOffset: number; physicalOffset: number }

async function readEverything(
  store: Store,
  ledger: Ledger,
  damaged: ReadonlySet<number>,
  isElsewhere: (topic: string) => boolean
): Promise<Map<number, PlaceFound>> {
  const found = new Map<number, PlaceFound>()
  const known = new Set(QUEUES.map(({ topic, queueId }) => `${topic}/${queueId}`))
  for (const topic of store.topics()) {
    if (isElsewhere(topic)) continue
    for (const queueId of store.queues(topic)) {
      if (!known.has(`${topic}/${queueId}`)) throw new Violation(`a queue that nobody made: ${topic}/${queueId}`)
    }
  }
  for (const queueIndex of QUEUES.keys()) await readQueue(store, ledger, queueIndex, damaged, found)
  return found
}

async function readQueue(
  store: Store,
  ledger: Ledger,
  queueIndex: number,
  damaged: ReadonlySet<number>,
  found: Map<number, PlaceFound>
): Promise<void> {
  const queue = QUEUES[queueIndex] as (typeof QUEUES)[number] // From its own keys.
  const name = `${queue.topic}/${queue.queueId}`
  const isDamaged = (offset: number): boolean =>
    [...damaged].some(id => ledger.find(id)?.queueIndex === queueIndex && ledger.find(id)?.queueOffset === offset)
  let expected: number = store.minOffset(queue)
  const unseen = Array.from({ length: expected }, (_, offset) => offset).filter(offset => !isDamaged(offset))
  if (unseen.length > 0) throw new Violation(`${name} begins at ${expected}`)
  const max = store.maxOffset(queue)
  let lastId = -1
  while (expected < max) {
    const { messages, nextOffset, damaged: errors } = await store.read({ ...queue, offset: expected, countMax: 256 })
    if (nextOffset <= expected) throw new Violation(`${name} ends at ${expected}, not at its maximum ${max}`)
    if (errors.length > 0 && damaged.size === 0) throw new Violation(`${name}: ${String(errors[0])}`)
    let unread = errors.length
    for (const message of messages) {
      while (expected < message.queueOffset && unread > 0) {
        expected++
        unread--
      }
      if (message.queueOffset !== expected) {
        throw new Violation(`${name}: offset ${message.queueOffset} where ${expected} comes next`)
      }
      expected++
      const id = compare(message, ledger, queueIndex)
      if (found.has(id)) throw new Violation(`twice: message ${id}`)
      if (id <= lastId) throw new Violation(`${name}: message ${id} after message ${lastId}`)
      lastId = id
      found.set(id, { queueOffset: message.queueOffset, physicalOffset: message.physicalOffset })
    }
    expected = nextOffset
  }
}

/** Returns which message it is. @throws Violation unless it is what was intended, in its place */
export function compare(message: StoredMessage, ledger: Ledger, queueIndex: number): number {
  const at = `${message.topic}/${message.queueId} offset ${message.queueOffset}`
  const id = idOf(message)
  const entry = id === undefined ? undefined : ledger.find(id)
  if (id === undefined || entry === undefined) throw new Violation(`${at}: a message that nobody intended`)
  if (entry.state === 'gone') throw new Violation(`${at}: back from the dead: ${describe(entry)}`)
  if (entry.queueIndex !== queueIndex) throw new Violation(`${at}: in the wrong queue: ${describe(entry)}`)
  if (entry.queueOffset !== undefined && entry.queueOffset !== message.queueOffset) {
    throw new Violation(`${at}: at the wrong offset: ${describe(entry)}`)
  }
  if (entry.physicalOffset !== undefined && entry.physicalOffset !== message.physicalOffset) {
    throw new Violation(`${at}: at position ${message.physicalOffset}: ${describe(entry)}`)
  }
  const intended = ledger.message(id)
  if (Buffer.compare(message.body, intended.body as Uint8Array) !== 0) throw new Violation(`${at}: another body`)
  if (message.tag !== intended.tag) throw new Violation(`${at}: another tag`)
  for (const [name, value] of Object.entries(intended.properties ?? {})) {
    if (message.properties[name] !== value) throw new Violation(`${at}: another property ${name}`)
  }
  return id
}

/** Messages are appended in the order of their numbers: nothing may be there that came after one that is lost. */
function checkSuffix(
  lost: readonly Entry[],
  found: ReadonlyMap<number, PlaceFound>,
  ledger: Ledger,
  queueIndex?: number
): void {
  const isMeant = (entry: Entry | undefined): boolean => queueIndex === undefined || entry?.queueIndex === queueIndex
  const first = lost.find(entry => entry.state !== 'unsure' && isMeant(entry))
  if (first === undefined) return
  let last = -1
  for (const id of found.keys()) if (id > last && isMeant(ledger.find(id))) last = id
  if (last > first.id) throw new Violation(`not a suffix: message ${last} is there, but lost is ${describe(first)}`)
}

/** A process that ends in the middle of a batch leaves all of it or nothing. */
function checkBatches(ledger: Ledger, found: ReadonlyMap<number, PlaceFound>, { survives }: Expectation): void {
  if (survives !== 'appended') return
  for (const { id, batch, state } of ledger.entries) {
    if (state === 'intended' && found.has(id) !== found.has(batch)) throw new Violation(`half of the batch ${batch}`)
  }
}

async function checkLookups(store: Store, ledger: Ledger, found: ReadonlyMap<number, PlaceFound>): Promise<void> {
  const ids = [...found.keys()]
  for (let i = 0; i < LOOKUPS && ids.length > 0; i++) {
    const id = ids[Math.floor(((i + 1) * (ids.length - 1)) / LOOKUPS)] as number // Inside the list.
    const { physicalOffset } = found.get(id) as PlaceFound // Its own key.
    const at = await store.messageAt(physicalOffset)
    if (idOf(at) !== id) throw new Violation(`position ${physicalOffset} has message ${idOf(at)}, not ${id}`)
    const { topic } = ledger.message(id)
    const byKey = await store.messagesByKey({ topic, key: keyOf(id) })
    if (byKey.length !== 1 || idOf(byKey[0] as StoredMessage) !== id) {
      throw new Violation(`${byKey.length} messages are found by the key of message ${id}`)
    }
  }
}

function placesOf(ledger: Ledger, { damaged = new Set() }: Expectation): Set<number | undefined> {
  return new Set([...damaged].map(id => ledger.find(id)?.physicalOffset))
}

/** Queues, index and seals are what a rebuild from the log would make of them; but for records that were damaged. */
async function checkFiles({ files, directory }: Place, damagedAt: ReadonlySet<number | undefined>): Promise<void> {
  const { damage, pendingCount, tornTailBytes } = await verifyStore(files, { directory })
  const isKnown = ({ kind, from }: Damage): boolean => damagedAt.has(from) || (kind === 'seal' && damagedAt.size > 0)
  const unexpected = damage.filter(found => !isKnown(found))
  if (unexpected.length > 0) throw new Violation(`verification finds damage: ${JSON.stringify(unexpected.slice(0, 3))}`)
  if (pendingCount > 0) throw new Violation(`${pendingCount} messages are not in their queues after a clean close`)
  if (tornTailBytes > 0)
    throw new Violation(`${tornTailBytes} bytes stand behind the end of the log after a clean close`)
}

export function describe({ id, state, queueIndex, queueOffset, physicalOffset }: Entry): string {
  const queue = QUEUES[queueIndex] as (typeof QUEUES)[number] // The ledger knows no other numbers.
  return `message ${id} (${state}) of ${queue.topic}/${queue.queueId}, offset ${queueOffset}, position ${physicalOffset}`
}

/** What a call is refused with; a success or any other error is a violation. */
export async function refusalOf(call: () => unknown): Promise<VarveError> {
  try {
    await call()
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
  throw new Violation('a call succeeded that must be refused')
}
