/**
 * Damage to what a broker keeps beside the messages: its tables, the wheel and the log of its timers.
 *
 * The tables are no copy of anything, so a broker that can read neither a table nor its backup refuses to start and says
 * which. In all other cases it starts, and then: a committed transaction shows once, any other never; no offset is ahead of
 * what was committed; every timed message comes, if need be after the files of the timer were removed.
 */
import { type Random, secondMs, seededRandom, silentLog, VarveError } from '../../src/base/index.ts'
import { Broker, emptyDraft, resolveConfig } from '../../src/broker/index.ts'
import type { Store, StoredMessage } from '../../src/index.ts'
import { encodeProperties } from '../../src/layout/index.ts'
import type { Files } from '../../src/store/index.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { filesOf, type KnownFile } from './file-kinds.ts'
import { keepDisk } from './keep.ts'
import { MUTATIONS, mutate } from './mutations.ts'
import { opened } from './oracle.ts'
import type { Scenario, Size, Tally } from './scenario.ts'
import { type Defect, DIRECTORY, LoadClock, noDefect, openSimulated } from './simulated-store.ts'
import { Violation } from './violation.ts'

const MUTANTS: Readonly<Record<Size, number>> = { short: 10, medium: 50, long: 100 }
const TIMED = 30
const DEALS = 9
const LATER = 'later'
const DEALT = 'deals'
const GROUP = 'readers'
const OFFSET = 17
const STORE_HOST = { address: '127.0.0.1', port: 10_911 }
/** When none has come for so long, none comes by itself. */
const QUIET_MS = 1_500
/** All that is timed is due then. */
const PASSED_MS = 100 * secondMs
const REFUSALS = ['CONFIG_FILE_DAMAGED', 'STORE_FILE_CHANGED']

export const damageBroker: Scenario = {
  name: 'damage-broker',
  about: "a broker's tables and timers cut, changed, exchanged or missing",
  cases: { short: 1, medium: 40, long: 200 },
  lanes: 4,
  run: (seed, directory, size) => damageTables(seed, directory, noDefect, MUTANTS[size])
}

interface Running {
  readonly store: Store
  readonly broker: Broker
}

/** `defect`: planted between the broker and the disk, once that is damaged. */
export async function damageTables(
  seed: number,
  directory: string,
  defect: Defect,
  mutants: number = MUTANTS.short
): Promise<Tally> {
  const random = seededRandom(seed)
  const base = await beginning(random)
  const tally = { mutants: 0, 'starts refused': 0, 'timers made anew': 0 }
  for (let i = 0; i < mutants; i++) {
    const disk = base.kill()
    const { path, mutation } = mutateOne(disk, seededRandom(seed * 1000 + i))
    const kept = disk.kill()
    try {
      const outcome = await check(disk, path, defect)
      const isTimer = path.includes('timer')
      if (outcome === 'must be made anew' || (outcome === 'refused' && isTimer)) await checkMadeAnew(disk)
      tally.mutants++
      if (outcome === 'refused') tally['starts refused']++
      if (outcome === 'must be made anew') tally['timers made anew']++
    } catch (error) {
      keepDisk(kept, directory)
      const where = `mutant ${i}: ${path} ${mutation}`
      throw new Violation(`${error instanceof Error ? error.message : String(error)}; ${where}`, { cause: error })
    }
  }
  return tally
}

function mutateOne(disk: SimulatedDisk, random: Random): { path: string; mutation: string } {
  const all = filesOf(disk, DIRECTORY).filter(({ kind }) => kind === 'tables' || kind === 'timer')
  const kind = random.pick(['tables', 'timer'])
  const ofKind = all.filter(file => file.kind === kind)
  const { path } = random.pick(ofKind) as KnownFile
  const mutation = random.pick(MUTATIONS)
  mutate(disk, path, { mutation, others: ofKind.map(file => file.path), random })
  return { path, mutation }
}

function openBroker(store: Store, files: Files, clock: LoadClock): Broker {
  const properties = { brokerName: 'crash', mappedFileSizeTimerLog: String(52 * 8) }
  const configuration = resolveConfig([{ origin: 'crash', properties }], clock)
  return new Broker({
    store,
    directory: DIRECTORY,
    files,
    configuration,
    storeHost: STORE_HOST,
    clock,
    random: seededRandom(1),
    log: silentLog
  })
}

/** A store with a broker's tables, timed messages of which some have come, and transactions in all states; then a kill. */
async function beginning(random: Random): Promise<SimulatedDisk> {
  const clock = new LoadClock()
  const disk = new SimulatedDisk({ mapper: random.pick(['native', 'plain'] as const), clock })
  const store = await openSimulated(disk, 'sync', clock, noDefect)
  const broker = openBroker(store, disk, clock)
  await broker.transactions.ready
  const running = { store, broker }
  for (let id = 0; id < TIMED; id++) {
    const dueMs = clock.nowMs() + random.between(3, 60) * secondMs
    send(running, LATER, String(id), { TIMER_DELIVER_MS: String(dueMs), UNIQ_KEY: `later-${id}` })
  }
  for (let id = 0; id < DEALS; id++) await deal(running, id)
  broker.offsets.commit({ topic: LATER, group: GROUP, queueId: 0 }, OFFSET - 1)
  await broker.offsets.saved()
  broker.offsets.commit({ topic: LATER, group: GROUP, queueId: 0 }, OFFSET)
  for (let seconds = random.below(20); seconds > 0; seconds--) {
    clock.advance(secondMs)
    for (const { run } of broker.recurring) run()
    await turns(3)
  }
  await store.flushed()
  if (random.chance(0.5)) {
    await broker.close()
    await store.close()
  }
  return disk.kill()
}

function send(
  { broker }: Running,
  topic: string,
  body: string,
  properties: Readonly<Record<string, string>>,
  sysFlag = 0
) {
  const sent = broker.sending.send({
    ...emptyDraft(),
    producerGroup: 'dealers',
    topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 1,
    sysFlag,
    properties: encodeProperties(Object.entries(properties)),
    body: Buffer.from(body)
  })
  if (sent === undefined) throw new Error('the store is short of room')
  return sent
}

/** By its number committed, rolled back or left open. */
async function deal(running: Running, id: number): Promise<void> {
  const properties = { TRAN_MSG: 'true', PGROUP: 'dealers', UNIQ_KEY: `deal-${id}` }
  const { queueOffset: halfOffset, positions } = send(running, DEALT, String(id), properties, 4)
  const decision = (['commit', 'rollback', undefined] as const)[id % 3]
  if (decision === undefined) return
  await running.store.flushed() // With synchronous flush nobody finds it before.
  const physicalOffset = positions[0] as number // Of one message.
  await running.broker.transactions.end({
    producerGroup: 'dealers',
    isFromCheck: false,
    halfOffset,
    physicalOffset,
    decision
  })
}

/** What came of a start. */
type Outcome = 'started' | 'refused' | 'must be made anew'

async function check(disk: SimulatedDisk, damaged: string, defect: Defect): Promise<Outcome> {
  const clock = new LoadClock()
  clock.advance(PASSED_MS)
  const store = await opened(() => openSimulated(disk, 'sync', clock, noDefect))
  let broker: Broker
  try {
    broker = openBroker(store, defect.files?.(disk) ?? disk, clock)
    await broker.transactions.ready
  } catch (error) {
    await store.close()
    if (!(error instanceof VarveError) || !REFUSALS.includes(error.code)) throw error
    if (disk.find(`${damaged}.bak`) !== undefined) throw new Violation(`there is a backup: ${error.message}`)
    return 'refused'
  }
  const missing = await missingLater(store)
  await checkDeals(store)
  const offset = broker.offsets.find({ topic: LATER, group: GROUP, queueId: 0 }) ?? 0
  if (offset > OFFSET) throw new Violation(`the offset of ${GROUP} is ${offset}, committed was ${OFFSET}`)
  await broker.close()
  await store.close()
  return missing === 0 ? 'started' : damaged.includes('timer') ? 'must be made anew' : lost(missing)
}

function lost(count: number): never {
  throw new Violation(`${count} of ${TIMED} timed messages do not come`)
}

/** What docs/operations.md tells an operator to do: the timer is made anew from its topic. */
async function checkMadeAnew(disk: SimulatedDisk): Promise<void> {
  for (const name of ['timerwheel', 'config/timercheck', 'varve/timer']) disk.remove(`${DIRECTORY}/${name}`)
  disk.removeDirectory(`${DIRECTORY}/timerlog`)
  const clock = new LoadClock()
  clock.advance(2 * PASSED_MS)
  const store = await opened(() => openSimulated(disk, 'sync', clock, noDefect))
  const broker = openBroker(store, disk, clock)
  await broker.transactions.ready
  const missing = await missingLater(store)
  if (missing > 0) lost(missing)
  await broker.close()
  await store.close()
}

/** How many have not come when no more come. @throws Violation for one that nobody sent */
async function missingLater(store: Store): Promise<number> {
  let untilMs = performance.now() + QUIET_MS
  let count = 0
  for (;;) {
    const ids = (await messagesOf(store, LATER)).map(({ body }) => Number(Buffer.from(body).toString()))
    const found = new Set(ids)
    for (const id of found) if (!(id >= 0 && id < TIMED)) throw new Violation(`a timed message that nobody sent: ${id}`)
    if (ids.length > count) untilMs = performance.now() + QUIET_MS
    count = ids.length
    if (found.size === TIMED || performance.now() > untilMs) return TIMED - found.size
    await turns(10)
  }
}

async function checkDeals(store: Store): Promise<void> {
  const ids = (await messagesOf(store, DEALT))
    .map(({ body }) => Number(Buffer.from(body).toString()))
    .sort((a, b) => a - b)
  const committed = Array.from({ length: DEALS }, (_, id) => id).filter(id => id % 3 === 0)
  if (ids.join() !== committed.join())
    throw new Violation(`transactions ${ids.join()} show, committed are ${committed.join()}`)
}

async function messagesOf(store: Store, topic: string): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = []
  for (const queueId of store.queues(topic)) {
    for (let offset = 0; offset < store.maxOffset({ topic, queueId }); ) {
      const read = await store.read({ topic, queueId, offset, countMax: 256 })
      messages.push(...read.messages)
      offset = read.nextOffset
    }
  }
  return messages
}

/** Turns of the event loop, and a little time for alarms. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setTimeout(resolve, 0))
}
