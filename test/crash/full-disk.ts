/**
 * Full disk: a store with real threads on a file system of 64 MiB, which something else fills up and clears again, at any
 * moment. What full.ts proves on a simulated disk, with the system's own ENOSPC: under a mapping it would be a signal.
 *
 * While there is no room appends are refused with STORE_DISK_FULL, and what is there can be read and made durable. Within
 * 10 s of there being room the store goes on by itself. Killed at the end, it has everything.
 */
import { closeSync, fstatSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, MiB, seededRandom, VarveError } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { within } from './broker-child.ts'
import { Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { onFileSystem, whyNoMount } from './mounted.ts'
import { check } from './oracle.ts'
import { appendOnce, nextCount } from './producer.ts'
import { type Scenario, skipped, type Tally } from './scenario.ts'
import { Violation } from './violation.ts'

const DISK_BYTES = 64 * MiB
const BODY = { bytesMax: 12 * KiB }
const FILLS = 3
const BLOCK_BYTES = 4 * KiB
const GOES_ON_MS_MAX = 10_000
const LOAD_APPENDS = 300

export const fullDisk: Scenario = {
  name: 'full-disk',
  about: 'a file system of 64 MiB fills up under real threads, then has room again',
  cases: { short: 2, medium: 20, long: 200 },
  lanes: 1,
  run: (seed, directory) => fillDiskUp(seed, directory)
}

/** `seen`: the store as whoever uses it sees it, for a control. */
export async function fillDiskUp(
  seed: number,
  directory: string,
  seen: (store: Store) => Store = store => store
): Promise<Tally> {
  const place = join(directory, 'disk')
  const missing = whyNoMount(place)
  if (missing !== undefined) return skipped(`no disk is filled: ${missing}`)
  return onFileSystem(place, DISK_BYTES, () => fillUp(seed, place, seen))
}

async function fillUp(seed: number, disk: string, seen: (store: Store) => Store): Promise<Tally> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const mapper = random.pick(['native', 'plain'] as const)
  const options: StoreOptions = {
    directory: join(disk, 'store'),
    flush: random.pick(['sync', 'async']),
    segmentBytes: 4 * MiB,
    queueFileEntries: 500,
    indexSlots: 500,
    indexItems: 5_000,
    mapper,
    retention: { diskUsedRatioFull: 1, diskUsedRatioForced: 1, diskUsedRatioMax: 1 }
  }
  const store = seen(await openStore(options))
  const producing = { store, recorder: ledger, seed: ledger.seed, body: BODY }
  const append = (): void => void appendOnce(producing, ledger.nextId, nextCount(random), random.below(QUEUES.length))
  let refusals = 0
  for (let fill = 0; fill < FILLS; fill++) {
    for (let i = random.below(LOAD_APPENDS); i > 0; i--) await patiently(store, append)
    fillBallast(disk, random.pick([0, 16 * KiB, 128 * KiB, 5 * MiB]))
    await untilFull(append)
    refusals++
    await useWhileFull(store, ledger)
    rmSync(join(disk, 'ballast'))
    if (
      (await within(
        GOES_ON_MS_MAX,
        store.writable().then(() => true)
      )) !== true
    ) {
      throw new Violation(`there is room, and the store has not gone on after ${GOES_ON_MS_MAX} ms`)
    }
    await patiently(store, append)
  }
  await store.flushed()
  ledger.flushed(store.info().appendedUntil)
  await store.close()
  const place = { directory: options.directory, files: openRealFiles({ mapper }), open: () => openStore(options) }
  const { found } = await check(place, ledger, { survives: 'appended', kind: 'clean' })
  return { fills: FILLS, refusals, found }
}

async function patiently(store: Store, append: () => void): Promise<void> {
  try {
    append()
  } catch (error) {
    if (!(error instanceof VarveError) || !error.retryable) throw error
    await store.writable()
  }
}

/** Takes all blocks but so many bytes. */
function fillBallast(disk: string, leftBytes: number): void {
  const file = openSync(join(disk, 'ballast'), 'w')
  const zeros = Buffer.alloc(BLOCK_BYTES)
  try {
    while (roomIn(disk) > leftBytes) writeSync(file, zeros)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || fstatSync(file).size === 0) throw error
  } finally {
    closeSync(file)
  }
}

function roomIn(disk: string): number {
  const { bavail, bsize } = statfsSync(disk)
  return bavail * bsize
}

async function untilFull(append: () => void): Promise<void> {
  for (;;) {
    try {
      append()
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      if (error.code === 'STORE_DISK_FULL') return
      if (error.code !== 'STORE_BUSY') throw error
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

async function useWhileFull(store: Store, ledger: Ledger): Promise<void> {
  const { state, appendedUntil } = store.info()
  if (state !== 'open') throw new Violation(`a full disk leaves the store ${state}`)
  await store.flushed()
  ledger.flushed(appendedUntil)
  for (const queue of QUEUES) {
    const { damaged } = await store.read({ ...queue, offset: 0, countMax: 1_000 })
    if (damaged.length > 0) throw new Violation(`on a full disk: ${String(damaged[0])}`)
  }
}
