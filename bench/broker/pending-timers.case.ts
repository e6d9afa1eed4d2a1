/**
 * Timers that wait, spread evenly over days, and others that are due in one second: what those that wait cost in memory, and
 * whether they hold up those that are due. The broker runs in this process, with the threads and files of a real one.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { hourMs, secondMs, seededRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { Broker, emptyDraft, resolveConfig, type SendDraft, topicConfig } from '../../src/broker/index.ts'
import type { StoreOptions } from '../../src/index.ts'
import { encodeProperties } from '../../src/layout/index.ts'
import { type CaseResult, residentMemory } from '../../src/load/index.ts'
import { openRealFiles, openStoreWith } from '../../src/store/index.ts'
import { piscinaThreads } from '../../src/workers/index.ts'
import { runCase } from '../case.ts'

export interface PendingTimersSettings {
  readonly directory: string
  readonly pending: number
  readonly days: number
  readonly due: number
  readonly options?: Partial<StoreOptions>
}

const QUEUE_COUNT = 8
const BODY = Buffer.alloc(32, '.')
const HOST = { address: '127.0.0.1', port: 10_911 }
/** Messages sent in one turn of the event loop, and those that may not have been taken into the wheel when others are sent. */
const TURN_COUNT = 256
const LAG_MAX = 100_000
/** The first of those that wait is due so much later than the end of the run. */
const PENDING_FROM_MS = hourMs
const DUE_AFTER_MS = 2 * secondMs
/** So many are sent in a second also on a slow machine. */
const DUE_SENT_PER_SECOND = 5000

await runCase<PendingTimersSettings>(async ({ directory, pending, days, due, options = {} }): Promise<CaseResult> => {
  const clock = systemClock
  const files = openRealFiles()
  const threads = piscinaThreads(files.mapper)
  const store = await openStoreWith({ directory, storeHost: HOST, ...options }, { files, threads })
  const configuration = resolveConfig(
    [{ origin: 'bench', properties: { brokerName: 'bench', storePathRootDir: directory } }],
    clock
  )
  const world = { store, directory, files, configuration, storeHost: HOST, clock, random: seededRandom(1) }
  const broker = new Broker({ ...world, log: silentLog })
  for (const name of ['far', 'due']) {
    broker.topics.ensure(topicConfig(name, { readQueueCount: QUEUE_COUNT, writeQueueCount: QUEUE_COUNT }))
  }
  const lag = () => broker.delayed.timed?.enqueueLag ?? 0
  const draft: SendDraft = { ...emptyDraft(), producerGroup: 'bench', bornHost: HOST, body: BODY }
  let sent = 0
  const send = async (topic: string, count: number, dueMs: (index: number) => number) => {
    draft.topic = topic
    for (let index = 0; index < count; index++) {
      draft.queueId = index % QUEUE_COUNT
      draft.bornAtMs = clock.nowMs()
      draft.properties = encodeProperties([
        ['UNIQ_KEY', `7F0000010A1C18B4AAC2${(sent++).toString(16).toUpperCase().padStart(12, '0')}`],
        ['TIMER_DELIVER_MS', String(Math.ceil(dueMs(index)))]
      ])
      while (broker.sending.send(draft) === undefined) await store.writable()
      if (index % TURN_COUNT !== 0) continue
      await turn()
      while (lag() > LAG_MAX) await pause(1)
    }
    while (lag() > 0) await pause(1)
  }
  const privateMiB = () => {
    const { rssMiB, ofFilesMiB } = residentMemory(directory)
    return rssMiB - ofFilesMiB
  }

  // So that what any timer costs, and what is compiled by then, is not counted as the cost of many.
  await send('due', Math.min(due, 5000), () => clock.nowMs() + secondMs)
  const delivered = () => {
    let count = 0
    for (let queueId = 0; queueId < QUEUE_COUNT; queueId++) count += store.maxOffset({ topic: 'due', queueId })
    return count
  }
  while (delivered() < Math.min(due, 5000)) await pause(10)
  const beforeMiB = privateMiB()

  const pendingFromMs = clock.nowMs() + PENDING_FROM_MS
  const spreadMs = days * 24 * hourMs - PENDING_FROM_MS - hourMs
  const sendBeganMs = clock.monotonicMs()
  // One after the other they lie far apart in time, as those of many producers do.
  await send('far', pending, index => pendingFromMs + spreadMs * ((index * 0.6180339887498949) % 1))
  await store.flushed()
  const sentSeconds = (clock.monotonicMs() - sendBeganMs) / secondMs
  const residentAddedMiB = privateMiB() - beforeMiB

  const momentMs =
    (Math.ceil((clock.nowMs() + DUE_AFTER_MS) / secondMs) + Math.ceil(due / DUE_SENT_PER_SECOND)) * secondMs
  const base = delivered()
  await send('due', due, () => momentMs)
  if (clock.nowMs() > momentMs) {
    throw new Error(`sending took longer than was left; ${residentAddedMiB} MiB were added by those that wait`)
  }
  while (clock.nowMs() < momentMs) await pause(1)
  const cpu = process.cpuUsage()
  const beganMs = clock.monotonicMs()
  while (delivered() - base < due) await turn()
  const seconds = (clock.monotonicMs() - beganMs) / secondMs
  const { user, system } = process.cpuUsage(cpu)
  const lost = broker.delayed.lostCount
  const waiting = [...broker.delayed.timedCounts.all()].find(([topic]) => topic === 'far')?.[1].waiting ?? 0
  const { rssMiB } = residentMemory(directory)
  await broker.close()
  await store.close()
  if (waiting !== pending || lost > 0) throw new Error(`${waiting} of ${pending} messages wait, ${lost} are lost`)
  return {
    messages: due,
    seconds,
    cpuUs: user + system,
    work: { count: due, hash: '' },
    settings: { pending, days, bodyBytes: BODY.length },
    details: { residentAddedMiB, rssMiB, sentSeconds }
  }
})
