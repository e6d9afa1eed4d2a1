/**
 * Rot: bytes of a record that was long since durable change, before a store is opened after a crash.
 *
 * Half of the cases also lose `varve/`, as if Apache RocketMQ had written the store: then recovery walks over the damage
 * and has only the checkpoint to tell it from a torn tail. The record may be lost, with an error that says so; every other
 * message stays, in its place.
 */
import { assert, type Random, seededRandom } from '../../src/base/index.ts'
import type { Store } from '../../src/index.ts'
import type { SimulatedDisk } from '../support/simulated-disk.ts'
import { beginningOf } from './faults.ts'
import { keepDisk } from './keep.ts'
import type { Entry, Ledger } from './ledger.ts'
import { check, checkOpen, Violation } from './oracle.ts'
import { produceSome } from './producer.ts'
import type { Scenario, Tally } from './scenario.ts'
import { type Defect, DIRECTORY, LoadClock, noDefect, openSimulated, simulatedPlace } from './simulated-store.ts'

const SEGMENT_DIGITS = 20
const SEGMENT_BYTES = 64 * 1024
/** Store times below this before the checkpoint's are taken for surely good, wherever the log is walked. */
const SETTLED_MS = 10_000

export const rot: Scenario = {
  name: 'rot',
  about: 'a bit of a durable record flips: only that record is lost',
  cases: { short: 40, medium: 400, long: 5_000 },
  lanes: 'processors',
  run: (seed, directory) => damageOne(seed, directory, noDefect)
}

export async function damageOne(seed: number, directory: string, defect: Defect): Promise<Tally> {
  const random = seededRandom(seed)
  const flush = random.pick(['sync', 'async'] as const)
  const { ledger, disk: before } = await beginningOf(seed, flush)
  const clock = new LoadClock()
  clock.advance(3_600_000)
  const store = await openSimulated(before, flush, clock, noDefect)
  await checkOpen(store, ledger, { survives: 'appended' })
  await settle(store, ledger, clock)
  const disk = before.kill()
  const isForeign = random.chance(0.5)
  if (isForeign) disk.removeDirectory(`${DIRECTORY}/varve`)

  const victim = random.pick(ledger.entries.filter(({ state, id }) => state === 'flushed' && id < ledger.nextId - 2))
  flipBit(disk, victim, random)
  const damaged = new Set([victim.id])
  const kept = disk.kill()
  try {
    await check(simulatedPlace(disk, flush, new LoadClock(), defect), ledger, { survives: 'appended', damaged })
  } catch (error) {
    keepDisk(kept, directory)
    if (!(error instanceof Violation)) throw error
    throw new Violation(`${error.message}; message ${victim.id} damaged, ${isForeign ? 'without' : 'with'} a sidecar`)
  }
  return { damaged: 1, 'without sidecar': isForeign ? 1 : 0 }
}

/** Time passes over what is there, and the checkpoint and the state say so: of all but the last two messages. */
export async function settle(store: Store, ledger: Ledger, clock: LoadClock): Promise<void> {
  await produceSome(store, ledger, 1)
  clock.advance(SETTLED_MS)
  await produceSome(store, ledger, 1)
  clock.advance(SETTLED_MS)
  await store.writable()
}

/** In the body or the fields that a reader checks, of a record that has a body. */
function flipBit(disk: SimulatedDisk, { physicalOffset }: Entry, random: Random): void {
  assert(physicalOffset !== undefined, 'a message that was found has a place')
  const base = physicalOffset - (physicalOffset % SEGMENT_BYTES)
  const path = `${DIRECTORY}/commitlog/${String(base).padStart(SEGMENT_DIGITS, '0')}`
  const file = disk.open(path, 'write')
  // Size, magic and position of the record: without them there is no record.
  const at = physicalOffset - base + random.pick([1, 2, 3, 4, 5, 6, 7, 34, 35])
  const bytes = new Uint8Array(1)
  file.read(bytes, at)
  bytes[0] = (bytes[0] as number) ^ (1 << random.below(8)) // Read just now.
  file.write(bytes, at)
  file.syncAll()
  file.close()
}
