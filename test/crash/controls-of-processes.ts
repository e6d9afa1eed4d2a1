/**
 * Defects planted round real processes: between a producer and its journal, between a thread and its store, between client
 * and broker, or between the death of a process and whoever looks at what it left.
 *
 * Not here: those of the engine alone, on a simulated disk (controls-of-engine.ts).
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, secondMs, seededRandom } from '../../src/base/index.ts'
import { commitLogDirectory, lockPath } from '../../src/store/paths.ts'
import { losePowerOnDisk } from './block-log.ts'
import { killBrokers } from './broker.ts'
import { overlay } from './changed-files.ts'
import { moveClock } from './clock.ts'
import type { Control } from './control.ts'
import { fillDiskUp } from './full-disk.ts'
import { killSeries } from './kill.ts'
import { useLittleMemory } from './memory.ts'
import { useBadNetwork } from './network.ts'
import { doDeedOf } from './outside.ts'
import { useSlowDisk } from './slow.ts'
import { sweep } from './syscalls.ts'
import { endThreads } from './threads.ts'

const IMAGES_OF_LOAD = 20
/** More than clients have not been told of yet when a process dies. */
const LOST_BYTES = 256 * KiB
const EARLY_MS = 5 * secondMs

export const controlsOfProcesses: readonly Control[] = [
  {
    name: 'a buffer that is used again too early: bytes change between socket and store',
    hunt: (seed, directory) => useBadNetwork(seed, directory, { requests: changeSome(seed) }),
    casesMax: 2
  },
  {
    name: 'the length of a frame is not checked',
    hunt: (seed, directory) => useBadNetwork(seed, directory, { defect: 'lengths are not checked' }),
    casesMax: 2
  },
  {
    name: 'acknowledge before the sync, on a real file system',
    hunt: (seed, directory) => losePowerOnDisk(seed, directory, IMAGES_OF_LOAD, 'acknowledges before the sync'),
    casesMax: 2,
    isLong: true
  },
  {
    name: 'a file system that flushes nothing',
    hunt: (seed, directory) => losePowerOnDisk(seed, directory, IMAGES_OF_LOAD, 'the file system flushes nothing'),
    casesMax: 2,
    mayCrash: true,
    isLong: true
  },
  {
    name: 'what was appended last is still in the process when it is killed',
    hunt: (seed, directory) => killSeries(seed, directory, loseEndOfLog),
    casesMax: 3,
    isLong: true
  },
  {
    name: 'what a broker took last is still in the process when it is killed',
    hunt: (seed, directory) => killBrokers(seed, directory, loseEndOfLog),
    casesMax: 3,
    isLong: true
  },
  {
    name: 'a sync that failed is no reason to end',
    hunt: (seed, directory) => sweep(seed, directory, 'medium', 'takes no refusal for one'),
    casesMax: 2,
    isLong: true
  },
  {
    name: 'nobody hears that a thread has ended',
    hunt: (seed, directory) => endThreads(seed, directory, 'nobody hears of its end'),
    casesMax: 1,
    isLong: true
  },
  {
    name: 'a store that does not go on when there is room',
    hunt: (seed, directory) =>
      fillDiskUp(seed, directory, store => overlay(store, { writable: () => new Promise<void>(() => {}) })),
    casesMax: 1,
    isLong: true
  },
  {
    name: 'a lock that the next process does not see',
    hunt: async (seed, directory) => {
      await doDeedOf('opened a second time', seed, directory, store => rmSync(lockPath(store)))
      return {}
    },
    casesMax: 1,
    isLong: true
  },
  {
    name: 'timers that are early',
    hunt: (seed, directory) => moveClock(seed, directory, EARLY_MS),
    casesMax: 20,
    isLong: true
  },
  {
    name: 'acknowledge before the sync, on a slow disk',
    hunt: (seed, directory) => useSlowDisk(seed, directory, 'short', 'ASYNC_FLUSH'),
    casesMax: 1,
    isLong: true
  },
  {
    name: 'memory that is never given back',
    hunt: (seed, directory) => useLittleMemory(seed, directory, 'short', 'memory is kept for ever'),
    casesMax: 1,
    isLong: true
  }
]

/** One byte near the end of some pieces: most often of a body. */
function changeSome(seed: number): (chunk: Buffer) => Buffer {
  const random = seededRandom(seed)
  return chunk => {
    if (chunk.length < 200 || !random.chance(0.2)) return chunk
    const changed = Buffer.from(chunk)
    const at = changed.length - 1 - random.below(20)
    changed[at] = (changed[at] as number) ^ 1 // Inside, by the length.
    return changed
  }
}

/** Clears the last bytes of the log, as if they had never left the process. */
function loseEndOfLog(store: string): void {
  const log = commitLogDirectory(store)
  if (!existsSync(log)) return
  for (const name of readdirSync(log).sort().reverse()) {
    const path = join(log, name)
    const end = readFileSync(path).findLastIndex(byte => byte !== 0) + 1
    if (end === 0) continue
    const from = Math.max(0, end - LOST_BYTES)
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(end - from), 0, end - from, from)
    closeSync(file)
    return
  }
}
