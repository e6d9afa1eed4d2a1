/**
 * Faults: the disk refuses the N-th call of a kind, for N = 1, 2, … until the load ends before its N-th call.
 *
 * A store that was killed is opened, used across a few segments and closed; one call fails on the way. Proved each time:
 * - what the caller sees is an error of the catalogue, with the code that the fault calls for
 * - a failed sync poisons an open store, for good; a full disk never does, and the store goes on once there is room
 * - what was acknowledged is there after the process has died, and after the power has failed
 */
import { KiB, seededRandom, VarveError } from '../../src/base/index.ts'
import type { Store } from '../../src/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import type { CallKind } from '../support/simulated-file.ts'
import { keepDisk } from './keep.ts'
import { Ledger } from './ledger.ts'
import { type Body, QUEUES } from './messages.ts'
import { check, refusalOf, Violation } from './oracle.ts'
import { appendOnce } from './producer.ts'
import type { Scenario } from './scenario.ts'
import { type Defect, LoadClock, load, noDefect, openSimulated, simulatedPlace } from './simulated-store.ts'

export interface FaultSweep {
  readonly kind: CallKind
  readonly errno: 'EIO' | 'ENOSPC'
  readonly flush: 'sync' | 'async'
  /** Only calls for these paths. */
  readonly path: RegExp
}

const KINDS: Readonly<Record<FaultSweep['errno'], readonly CallKind[]>> = {
  EIO: [
    'sync',
    'syncAll',
    'syncDirectory',
    'syncFileSystem',
    'open',
    'read',
    'write',
    'allocate',
    'setSize',
    'rename',
    'remove',
    'makeDirectory',
    'map',
    'lock'
  ],
  ENOSPC: ['open', 'write', 'allocate', 'setSize', 'rename', 'makeDirectory']
}

export const sweeps: readonly FaultSweep[] = (['EIO', 'ENOSPC'] as const).flatMap(errno =>
  KINDS[errno].flatMap(kind =>
    (['sync', 'async'] as const).map(flush => {
      // A file that exists is opened on a full disk too.
      const path = errno === 'ENOSPC' && kind === 'open' ? /next-segment|consumequeue|index|quarantine/ : /(?:)/
      return { kind, errno, flush, path }
    })
  )
)

const SYNCS: readonly CallKind[] = ['sync', 'syncAll', 'syncDirectory', 'syncFileSystem']
const BODY: Body = { bytesMax: 3 * KiB }
const ROUNDS = 14
const LONG_AGO_STEPS = 40
/** The short form takes so many calls of each kind, at random. */
const SHORT_FAULTS = 8

export const faults: Scenario = {
  name: 'faults',
  about: 'the N-th call of each kind fails, for every N',
  cases: { short: sweeps.length, medium: sweeps.length, long: 20 * sweeps.length },
  lanes: 'processors',
  async run(seed, directory, size) {
    const sweep = sweeps[seed % sweeps.length] as FaultSweep // There is at least one.
    const begin = await beginningOf(seed, sweep.flush)
    const tally = { faults: 0, poisoned: 0, 'refused openings': 0 }
    const callCount = await countCalls(begin, sweep)
    const all = Array.from({ length: callCount }, (_, i) => i + 1)
    const chosen = size === 'short' ? seededRandom(seed).shuffled(all).slice(0, SHORT_FAULTS) : all
    for (const nth of chosen) {
      const outcome = await failOnce(begin, sweep, nth, directory, noDefect)
      tally.faults++
      if (outcome === 'poisoned') tally.poisoned++
      if (outcome === 'opening refused') tally['refused openings']++
    }
    return tally
  }
}

export type Outcome = 'opening refused' | 'poisoned' | 'went on'

/** A store that was killed, and all that is known of it. Runs take copies. */
export interface Beginning {
  readonly seed: number
  readonly disk: SimulatedDisk
  readonly ledger: Ledger
}

/** Runs the load on `disk` with one call failing, and checks what is found afterwards. @throws Violation */
export async function failOnce(
  begin: Beginning,
  sweep: FaultSweep,
  nth: number,
  directory: string,
  defect: Defect
): Promise<Outcome> {
  const ledger = begin.ledger.copy()
  const disk = begin.disk.kill()
  const faulty = new FaultyFiles(disk)
  faulty.fail({ kind: sweep.kind, errno: sweep.errno, nth, path: sweep.path })
  const clock = new LoadClock()
  try {
    const outcome = await useStore({ faulty, ledger, clock, sweep, nth, defect })
    for (const image of [disk.kill(), disk.crash(seededRandom(begin.seed + nth))]) {
      await check(simulatedPlace(image, sweep.flush, clock, defect), ledger.copy(), { survives: 'flushed' })
    }
    return outcome
  } catch (error) {
    keepDisk(disk, directory)
    const where = `${sweep.errno} on ${sweep.kind} ${nth}, flush ${sweep.flush}`
    if (error instanceof Violation) throw new Violation(`${error.message}; ${where}`, { cause: error.cause })
    throw new Error(`${error instanceof Error ? error.message : String(error)}; ${where}`, { cause: error })
  }
}

/** How many calls of the kind the load makes when none fails. */
export async function countCalls({ disk, ledger }: Beginning, sweep: FaultSweep): Promise<number> {
  const faulty = new FaultyFiles(disk.kill())
  const nth = Number.POSITIVE_INFINITY
  await useStore({ faulty, ledger: ledger.copy(), clock: new LoadClock(), sweep, nth, defect: noDefect })
  return faulty.count(sweep.kind, sweep.path)
}

interface Use {
  readonly faulty: FaultyFiles
  readonly ledger: Ledger
  readonly clock: LoadClock
  readonly sweep: FaultSweep
  readonly nth: number
  readonly defect: Defect
}

/** Opens, appends across the ends of segments, flushes and closes, as a caller who reads the error codes would. */
async function useStore(use: Use): Promise<Outcome> {
  const { faulty, ledger, clock, sweep, defect } = use
  let store: Store
  try {
    store = await openSimulated(faulty, sweep.flush, clock, defect)
  } catch (error) {
    expectCode(error, sweep, 'opening')
    return 'opening refused'
  }
  const failedBefore = hasFailed(use)
  for (let round = 0; round < ROUNDS; round++) {
    const refused = await refusalIn(() => useOnce(store, use, round))
    if (refused === undefined) continue
    if (refused.code === 'STORE_POISONED') return poisoned(store, refused, use)
    // The one call was refused, nothing else happened: there is room again, or the file can be opened again.
    expectCode(refused, sweep, 'appending')
    if (SYNCS.includes(sweep.kind)) throw new Violation('a sync has failed, and the store is not poisoned')
    const waiting = await refusalIn(() => store.writable())
    if (waiting !== undefined) return poisoned(store, waiting, use)
  }
  if (hasFailed(use) && !failedBefore && SYNCS.includes(sweep.kind)) {
    // The last call of all may be the one that found out: the store has had nothing to refuse since.
    const { poisonedBy } = store.info()
    if (poisonedBy === undefined) throw new Violation('a sync has failed, and the store goes on')
    return poisoned(store, poisonedBy, use)
  }
  const until = store.info().appendedUntil
  const refused = await refusalIn(() => store.close())
  // A store that failed unnoticed closes in silence; whoever wants to know asks it.
  if (refused === undefined && store.info().poisonedBy === undefined) ledger.flushed(until)
  if (refused === undefined) return store.info().poisonedBy === undefined ? 'went on' : 'poisoned'
  if (refused.code !== 'STORE_POISONED') expectCode(refused, sweep, 'closing')
  return 'went on'
}

async function useOnce(store: Store, { ledger, clock }: Use, round: number): Promise<void> {
  const producing = { store, recorder: ledger, seed: ledger.seed, body: ledger.body }
  for (let i = 0; i < 4; i++) appendOnce(producing, ledger.nextId, i === 3 ? 3 : 1, (round + i) % QUEUES.length)
  if (round % 2 === 0) {
    const until = store.info().appendedUntil
    await store.flushed()
    ledger.flushed(until)
  }
  if (round % 5 === 4) {
    clock.advance(11_000)
    await store.writable()
  }
}

/** What a poisoned store owes its callers. */
async function poisoned(store: Store, refused: VarveError, { sweep, ledger }: Use): Promise<Outcome> {
  if (sweep.errno === 'ENOSPC') throw new Violation(`a full disk has poisoned the store: ${refused.message}`)
  const { state, poisonedBy } = store.info()
  if (state !== 'poisoned') throw new Violation(`appends are refused as poisoned, but the state is ${state}`)
  expectCode(poisonedBy, sweep, 'what poisoned the store')
  expectCode(await store.failed, sweep, 'what ended the store')
  const again = await refusalOf(() => appendOnce(producingFor(store, ledger), ledger.nextId, 1, 0))
  const flush = await refusalOf(() => store.flushed())
  if (again.code !== 'STORE_POISONED' || flush.code !== 'STORE_POISONED') throw new Violation('half poisoned')
  for (const queue of QUEUES) {
    const { damaged } = await store.read({ ...queue, offset: 0 })
    if (damaged.length > 0) throw new Violation(`a poisoned store cannot be read: ${String(damaged[0])}`)
  }
  await store.close()
  return 'poisoned'
}

const producingFor = (store: Store, ledger: Ledger) => ({ store, recorder: ledger, seed: ledger.seed, body: BODY })

const hasFailed = ({ faulty, sweep, nth }: Use): boolean => faulty.count(sweep.kind, sweep.path) >= nth

async function refusalIn(call: () => Promise<void>): Promise<VarveError | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
}

function expectCode(error: unknown, { kind, errno }: FaultSweep, what: string): void {
  const code = SYNCS.includes(kind) ? 'STORE_SYNC_FAILED' : errno === 'ENOSPC' ? 'STORE_DISK_FULL' : 'STORE_IO_FAILED'
  if (error instanceof VarveError && error.code === code) return
  if (error instanceof VarveError) throw new Violation(`${what}: ${error.message}, not ${code}`, { cause: error.cause })
  throw error
}

/** A few segments, several lives of the store, the last of which ended badly. All of it is in the ledger. */
export async function beginningOf(seed: number, flush: 'sync' | 'async'): Promise<Beginning> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const clock = new LoadClock()
  const disk = new SimulatedDisk({ mapper: random.pick(['native', 'plain'] as const), clock })
  const first = await openSimulated(disk, flush, clock, noDefect)
  await load(first, ledger, { random, clock, steps: LONG_AGO_STEPS, defect: noDefect })
  const until = first.info().appendedUntil
  await first.close()
  ledger.flushed(until)
  const second = await openSimulated(disk, flush, clock, noDefect)
  await load(second, ledger, { random, clock, steps: LONG_AGO_STEPS, defect: noDefect })
  return { seed, disk: disk.kill(), ledger }
}
