/**
 * Kill: real processes with real threads on a real file system, ended at any moment with SIGKILL, or asked to with SIGTERM.
 *
 * A case is a series of lives of one store. Each ends some milliseconds after the process was started, so in the middle of
 * opening and recovering, or after it began to append. After most of them the oracle looks; after the others the next
 * process has to cope by itself. In between, files that can be derived are lost.
 *
 * The system lives on, so everything that append returned for must be there. It takes a loss of power to see whether
 * acknowledgements come too early (power.ts).
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, MiB, type Random, seededRandom } from '../../src/base/index.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { type MapperKind, openRealFiles } from '../../src/store/index.ts'
import { within } from './broker-child.ts'
import { readJournal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { check } from './oracle.ts'
import { startProducer } from './producer-child.ts'
import type { ProducerTask } from './producer-process.ts'
import type { Scenario, Tally } from './scenario.ts'

const LIVES = 5
const BODY = { bytesMax: 20 * KiB }
const LIFE_BYTES_MAX = 4 * MiB

export const kill: Scenario = {
  name: 'kill',
  about: 'processes with threads killed at any moment, also while they recover; SIGTERM',
  cases: { short: 60, medium: 120, long: 2_000 },
  lanes: 4,
  run: (seed, directory) => killSeries(seed, directory)
}

/** `afterDeath` is done to the directory of the store before anybody looks at it: for a control. */
export async function killSeries(
  seed: number,
  directory: string,
  afterDeath: (store: string) => void = () => {}
): Promise<Tally> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const mapper = random.pick<MapperKind | 'auto'>(['auto', 'native', 'plain'])
  const store: StoreOptions = {
    directory: join(directory, 'store'),
    flush: random.pick(['sync', 'async']),
    flushIntervalMs: 50,
    segmentBytes: MiB,
    queueFileEntries: 2_000,
    indexSlots: 500,
    indexItems: 5_000,
    mapper
  }
  const tally = { kills: 0, 'while opening': 0, terminations: 0, found: 0 }
  for (let life = 0; life < LIVES; life++) {
    const journal = join(directory, `journal-${life}`)
    const isAsked = random.chance(0.15)
    const task: ProducerTask = {
      store,
      journal,
      messageSeed: ledger.seed,
      seed: random.uint32(),
      firstId: ledger.nextId,
      body: BODY,
      bytesMax: LIFE_BYTES_MAX
    }
    const end = await liveAndDie(task, random, isAsked)
    afterDeath(store.directory)
    readJournal(journal, ledger)
    if (isAsked) tally.terminations++
    else tally.kills++
    if (end === 'opening') tally['while opening']++
    if (life < LIVES - 1 && !isAsked && random.chance(0.3)) {
      ledger.leaveUnsure()
      continue
    }
    if (!isAsked && random.chance(0.25)) loseDerivedFiles(store.directory, random)
    const open = () => openStore({ ...store, threads: random.chance(0.3) ? 'workers' : 'none' })
    const place = { directory: store.directory, files: openRealFiles({ mapper }), open }
    const { found } = await check(place, ledger, { survives: 'appended', ...(isAsked ? { kind: 'clean' } : {}) })
    tally.found += found
  }
  return tally
}

/** Starts a producer and ends it. Returns what it was doing then, as far as one can tell from outside. */
async function liveAndDie(task: ProducerTask, random: Random, isAsked: boolean): Promise<'opening' | 'appending'> {
  const producer = startProducer(task)
  const fromStart = !isAsked && random.chance(0.3)
  const delayMs = fromStart ? random.between(30, 450) : random.between(5, 500)
  if (!fromStart) await producer.opened
  await within(delayMs, producer.ended)
  const wasOpen = producer.isOpen()
  await producer.end(isAsked ? 'closed' : 'killed')
  return wasOpen ? 'appending' : 'opening'
}

/** What is derived from the log, or only makes starting faster. */
function loseDerivedFiles(directory: string, random: Random): void {
  const lost = random.pick(['consumequeue', 'index', 'varve'])
  if (existsSync(join(directory, lost))) rmSync(join(directory, lost), { recursive: true })
}
