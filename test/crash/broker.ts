/**
 * Broker: real broker processes killed under real clients over TCP, at any moment of starting, serving and recovering.
 *
 * A case is a series of lives of one store. After most of them the oracle looks at the store through the engine; the
 * last broker is asked over TCP what its clients are owed (broker-check.ts) and then stopped cleanly. Every tenth case Apache
 * RocketMQ's own store reads what is left.
 */
import { join } from 'node:path'
import { KiB, type Random, seededRandom } from '../../src/base/index.ts'
import { openStore } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { checkByApache } from './apache.ts'
import { checkBroker, checkOffsets } from './broker-check.ts'
import { startBrokerChild } from './broker-child.ts'
import { BrokerLedger } from './broker-ledger.ts'
import { createTopics, loadBroker } from './broker-load.ts'
import { Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { check } from './oracle.ts'
import type { Scenario, Tally } from './scenario.ts'
import { Wire } from './wire.ts'

const LIVES = 5
const BODY = { bytesMax: 20 * KiB, bytesMin: 1 }
const APACHE_EVERY = 10
const OWN_TOPICS = new Set(QUEUES.map(({ topic }) => topic))

export const broker: Scenario = {
  name: 'broker',
  about: 'brokers killed under clients over TCP: messages, offsets, delays, transactions',
  cases: { short: 6, medium: 30, long: 200 },
  lanes: 2,
  run: (seed, directory) => killBrokers(seed, directory)
}

/** `afterDeath` is done to the directory of the store before anybody looks at it: for a control. */
export async function killBrokers(
  seed: number,
  directory: string,
  afterDeath: (store: string) => void = () => {}
): Promise<Tally> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const more = new BrokerLedger()
  const store = join(directory, 'store')
  const flush = random.pick(['SYNC_FLUSH', 'ASYNC_FLUSH'])
  const config = { flushDiskType: flush, flushConsumerOffsetInterval: '50', flushDelayOffsetInterval: '200' }
  const place = {
    directory: store,
    files: openRealFiles(),
    open: () => openStore({ directory: store, threads: 'none', flush: flush === 'SYNC_FLUSH' ? 'sync' : 'async' })
  }
  const expectation = {
    survives: 'appended',
    order: 'queue',
    isElsewhere: (topic: string) => !OWN_TOPICS.has(topic)
  } as const
  const tally = { kills: 0, found: 0, 'read over TCP': 0, delayed: 0, transactions: 0 }
  for (let life = 0; life < LIVES; life++) {
    await live({ store, config, ledger, more, random, isFirst: life === 0 })
    afterDeath(store)
    tally.kills++
    if (random.chance(0.4)) ledger.leaveUnsure()
    else tally.found += (await check(place, ledger, expectation)).found
  }
  const last = await startBrokerChild(store, { ...config, transactionCheckInterval: '200', transactionTimeOut: '100' })
  const { drained, delivered } = await checkBroker(last.port, ledger, more)
  await last.stop()
  more.stopped()
  await checkStopped(store, config, more)
  tally['read over TCP'] += drained
  tally.delayed += delivered
  tally.transactions += more.deals.length
  await check(place, ledger, { ...expectation, kind: 'clean' })
  const read = seed % APACHE_EVERY === 0 ? await checkByApache(store, ledger) : undefined
  return { ...tally, ...(read === undefined ? {} : { 'read by Apache': read }) }
}

interface Life {
  readonly store: string
  readonly config: Readonly<Record<string, string>>
  readonly ledger: Ledger
  readonly more: BrokerLedger
  readonly random: Random
  readonly isFirst: boolean
}

async function live({ store, config, ledger, more, random, isFirst }: Life): Promise<void> {
  const broker = await startBrokerChild(store, config)
  const wire = await Wire.open(broker.port)
  if (isFirst) await createTopics(wire)
  await checkOffsets(wire, more)
  wire.close()
  const loaded = loadBroker({ port: broker.port, ledger, more, random })
  await Promise.race([loaded, new Promise(resolve => setTimeout(resolve, random.between(20, 1_200)))])
  await broker.kill()
  await loaded
}

/** What was committed before a clean stop is there after it. */
async function checkStopped(
  store: string,
  config: Readonly<Record<string, string>>,
  more: BrokerLedger
): Promise<void> {
  const broker = await startBrokerChild(store, config)
  const wire = await Wire.open(broker.port)
  await checkOffsets(wire, more)
  wire.close()
  await broker.stop()
}
