/**
 * Full: the disk runs out of room at some moment of a load, later there is room again.
 *
 * While it is full appends are refused with STORE_DISK_FULL and nothing else is wrong: what was appended can be read and
 * made durable. When there is room the store goes on by itself. Closed, or killed, or without power, nothing is lost.
 */
import { KiB, type Random, seededRandom, VarveError } from '../../src/base/index.ts'
import type { Store } from '../../src/index.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { keepDisk } from './keep.ts'
import { Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { check, Violation } from './oracle.ts'
import { appendOnce, nextCount } from './producer.ts'
import type { Scenario, Tally } from './scenario.ts'
import { type Defect, LoadClock, load, noDefect, openSimulated, SMALL_BODY, simulatedPlace } from './simulated-store.ts'

const CAPACITY_BYTES = 4096 * KiB
const BALLAST = '/ballast'
const FILLS = 3
const APPENDS_MAX = 5_000
const WRITABLE_MS_MAX = 10_000

export const full: Scenario = {
  name: 'full',
  about: 'the disk is full at any moment, then has room again: the store goes on by itself',
  cases: { short: 20, medium: 100, long: 2_000 },
  lanes: 'processors',
  run: (seed, directory) => fillDisk(seed, directory, noDefect)
}

export async function fillDisk(seed: number, directory: string, defect: Defect): Promise<Tally> {
  const random = seededRandom(seed)
  const flush = random.pick(['sync', 'async'] as const)
  const clock = new LoadClock()
  const ledger = new Ledger(random.uint32(), SMALL_BODY)
  const disk = new SimulatedDisk({
    mapper: random.pick(['native', 'plain'] as const),
    capacityBytes: CAPACITY_BYTES,
    clock
  })
  const store = await openSimulated(disk, flush, clock, defect)
  await load(store, ledger, { random, clock, steps: random.below(60), defect })
  try {
    for (let fill = 0; fill < FILLS; fill++) {
      takeRoom(disk, random)
      await appendUntilFull(store, ledger, random)
      await useWhileFull(store, ledger)
      disk.remove(BALLAST)
      await goesOn(store, ledger)
      await load(store, ledger, { random, clock, steps: 20, defect })
    }
    const end = random.pick(['close', 'kill', 'crash'] as const)
    if (end === 'close') {
      const until = store.info().appendedUntil
      await store.close()
      ledger.flushed(until)
    }
    const image = end === 'crash' ? disk.crash(random) : disk.kill()
    const survives = end === 'crash' ? 'flushed' : 'appended'
    await check(simulatedPlace(image, flush, new LoadClock(), defect), ledger, { survives })
    return { fills: FILLS }
  } catch (error) {
    keepDisk(disk, directory)
    throw error
  }
}

/** All of it, or all but a few pages: then the next segment, a queue file or the index is what does not fit. */
function takeRoom(disk: SimulatedDisk, random: Random): void {
  const { availableBytes } = disk.space('/')
  const file = disk.open(BALLAST, 'create')
  const left = random.pick([0, 4 * KiB, 8 * KiB, 20 * KiB, 60 * KiB, 68 * KiB, 80 * KiB])
  file.allocate(0, Math.max(4 * KiB, availableBytes - left), { keepSize: false })
  file.close()
}

async function appendUntilFull(store: Store, ledger: Ledger, random: Random): Promise<void> {
  const producing = { store, recorder: ledger, seed: ledger.seed, body: ledger.body }
  for (let i = 0; i < APPENDS_MAX; i++) {
    try {
      appendOnce(producing, ledger.nextId, nextCount(random), random.below(QUEUES.length))
    } catch (error) {
      if (error instanceof VarveError && error.code === 'STORE_DISK_FULL') return
      throw error
    }
  }
  throw new Violation('appends go on for ever on a full disk')
}

async function useWhileFull(store: Store, ledger: Ledger): Promise<void> {
  const { state, appendedUntil } = store.info()
  if (state !== 'open') throw new Violation(`a full disk leaves the store ${state}`)
  await store.flushed()
  ledger.flushed(appendedUntil)
  for (const queue of QUEUES) {
    const { messages, damaged } = await store.read({ ...queue, offset: 0, countMax: 1000 })
    if (damaged.length > 0) throw new Violation(`on a full disk: ${String(damaged[0])}`)
    const max = store.maxOffset(queue)
    if (max > 0 && messages.length === 0) throw new Violation(`on a full disk nothing of ${queue.topic} is read`)
  }
}

async function goesOn(store: Store, ledger: Ledger): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Violation('there is room, and the store does not go on')), WRITABLE_MS_MAX)
  })
  await Promise.race([store.writable(), tooLate])
  clearTimeout(timer)
  appendOnce({ store, recorder: ledger, seed: ledger.seed, body: ledger.body }, ledger.nextId, 1, 0)
}
