/**
 * Memory: a broker that may use 256 MiB, page cache and mappings included, over a store that is larger, with many topics,
 * while everything old is read and new messages come. The system must not kill it, and every message comes.
 */
import { join } from 'node:path'
import { KiB, MiB, seededRandom } from '../../src/base/index.ts'
import { openStore } from '../../src/index.ts'
import { type BrokerDefect, type Surroundings, startBrokerChild } from './broker-child.ts'
import { createTopics } from './broker-load.ts'
import { Ledger } from './ledger.ts'
import { limitMemory, type MemoryLimit, whyNoMemoryLimit } from './memory-limit.ts'
import { messageOf, QUEUES } from './messages.ts'
import { compare } from './oracle.ts'
import { appendOnce } from './producer.ts'
import { type Scenario, type Size, skipped, type Tally } from './scenario.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, Wire } from './wire.ts'
import { decodeRecords, placeOf, pullFields, send } from './wire-messages.ts'

const LIMIT_BYTES = 256 * MiB
const STORE_BYTES: Readonly<Record<Size, number>> = { short: 320 * MiB, medium: 1024 * MiB, long: 5 * 1024 * MiB }
const TOPICS: Readonly<Record<Size, number>> = { short: 200, medium: 2_000, long: 10_000 }
const LOAD_MS: Readonly<Record<Size, number>> = { short: 4_000, medium: 600_000, long: 7_200_000 }
const BODY = { bytesMax: 48 * KiB, bytesMin: 1 }

export const memory: Scenario = {
  name: 'memory',
  about: 'a broker that may use 256 MiB, over a store that is larger, with many topics',
  cases: { short: 1, medium: 1, long: 1 },
  lanes: 1,
  run: (seed, directory, size) => useLittleMemory(seed, directory, size)
}

export async function useLittleMemory(
  seed: number,
  directory: string,
  size: Size,
  defect?: BrokerDefect
): Promise<Tally> {
  const missing = whyNoMemoryLimit(directory)
  if (missing !== undefined) return skipped(`no memory is limited: ${missing}`)
  const limit = limitMemory(LIMIT_BYTES)
  try {
    return await useStore(seed, join(directory, 'store'), size, { command: limit.command, defect }, limit)
  } finally {
    limit.remove()
  }
}

async function useStore(
  seed: number,
  store: string,
  size: Size,
  surroundings: Surroundings,
  limit: MemoryLimit
): Promise<Tally> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  await makeLarge(store, ledger, size)
  // Files of the usual sizes: a segment of 1 GiB is mapped as a whole.
  const usual = { mappedFileSizeCommitLog: String(1024 * MiB), mappedFileSizeConsumeQueue: '6000000' }
  const config = { ...usual, maxHashSlotNum: '50000', maxIndexNum: '200000', defaultTopicQueueNums: '1' }
  const broker = await startBrokerChild(store, config, surroundings)
  try {
    const wire = await Wire.open(broker.port)
    await createTopics(wire)
    const untilMs = performance.now() + LOAD_MS[size]
    const [read] = await Promise.all([
      readAgainAndAgain(broker.port, ledger, untilMs),
      sendUntil(wire, ledger, untilMs)
    ])
    if (limit.oomKills() > 0)
      throw new Violation(`the system has killed ${limit.oomKills()} processes for want of memory`)
    wire.close()
    await broker.stop()
    return { 'MiB of log': Math.round(STORE_BYTES[size] / MiB), topics: TOPICS[size], read, messages: ledger.nextId }
  } catch (error) {
    const kills = limit.oomKills()
    throw kills > 0
      ? new Violation(`the system has killed ${kills} processes for want of memory`, { cause: error })
      : error
  } finally {
    broker.signal('SIGKILL')
    await broker.ended
  }
}

async function makeLarge(directory: string, ledger: Ledger, size: Size): Promise<void> {
  const store = await openStore({ directory, indexSlots: 50_000, indexItems: 200_000 })
  for (let i = 0; i < TOPICS[size]; i++) store.append({ topic: `many-${i}`, queueId: 0, body: `message of topic ${i}` })
  const producing = { store, recorder: ledger, seed: ledger.seed, body: BODY }
  while (store.info().appendedUntil < STORE_BYTES[size]) {
    appendOnce(producing, ledger.nextId, 1, ledger.nextId % QUEUES.length)
    if (ledger.nextId % 1_000 === 0) await store.flushed()
  }
  await store.close()
}

/** Reads all queues from their beginning, over and over. Returns how many messages came. */
async function readAgainAndAgain(port: number, ledger: Ledger, untilMs: number): Promise<number> {
  const wire = await Wire.open(port)
  let count = 0
  const readQueue = async (index: number): Promise<void> => {
    const queue = QUEUES[index] as (typeof QUEUES)[number] // Of its own keys.
    for (let offset = 0; performance.now() < untilMs; ) {
      const { code, fields, body } = await wire.call(CODE.pull, pullFields(queue, offset, 'readers'))
      const messages = code === ANSWER.success ? decodeRecords(body) : []
      for (const message of messages) compare(message, ledger, index)
      count += messages.length
      offset = messages.length === 0 && code === ANSWER.notFound ? 0 : Number(fields.nextBeginOffset)
    }
  }
  await Promise.all([...QUEUES.keys()].map(readQueue))
  wire.close()
  return count
}

async function sendUntil(wire: Wire, ledger: Ledger, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    const id = ledger.nextId
    const queue = id % QUEUES.length
    ledger.intend(id, 1, queue, false)
    const answer = await send(wire, messageOf(ledger.seed, id, queue, BODY))
    if (answer.code === ANSWER.success) ledger.appended(id, 1, placeOf(answer))
    else ledger.refused(id, 1)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
