/**
 * Power: the machine stops in the middle of anything, on a disk that keeps of what was not synced whatever it likes.
 *
 * A random load runs on the simulated disk. Before random calls to the disk an image is taken of what would be found if
 * the power failed just then: each page that no sync covers old, new or torn, each name that no sync covers there or not.
 * Or if only the process died: then everything written is there. Each image is opened and checked; some openings are cut
 * short in turn, and what they leave behind is checked instead.
 */
import { assert, type Random, seededRandom } from '../../src/base/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { type CrashPolicy, losesEverything, losesNothing, SimulatedDisk } from '../support/simulated-disk.ts'
import { keepDisk } from './keep.ts'
import { Ledger } from './ledger.ts'
import { check, checkOpen, opened, Violation } from './oracle.ts'
import type { Scenario, Tally } from './scenario.ts'
import { type Defect, LoadClock, load, noDefect, openSimulated, SMALL_BODY, simulatedPlace } from './simulated-store.ts'

const STEPS = 60
/** One image before so many calls, on average. */
const CALLS_PER_IMAGE = 60
const IMAGES_MAX = 10
const NESTED_MAX = 3

/** Nothing is absent, and every second page is torn: records end in what they were not given. */
export const tearsPages: Partial<CrashPolicy> = { pages: 1, tornPages: 0.5, sizes: 1, names: 1 }

const POLICIES: readonly Partial<CrashPolicy>[] = [
  {},
  losesEverything,
  losesNothing,
  tearsPages,
  { pages: 0, tornPages: 0.3, sizes: 0, names: 1 },
  { pages: 1, tornPages: 0, sizes: 1, names: 0 },
  { pages: 0.9, tornPages: 0.05, sizes: 0.5, names: 0.9 }
]

interface Image {
  readonly disk: SimulatedDisk
  readonly ledger: Ledger
  readonly survives: 'appended' | 'flushed'
  /** For the report: how it came about. */
  readonly history: readonly string[]
}

export const power: Scenario = {
  name: 'power',
  about: 'loss of power and death of the process before any call to the disk, also while recovering',
  cases: { short: 200, medium: 400, long: 10_000 },
  lanes: 'processors',
  run: (seed, directory) => losePower(seed, directory, noDefect)
}

/** What is read is as good as acknowledged, with synchronous flush: here somebody reads all the time. */
export const readers: Scenario = {
  name: 'readers',
  about: 'what was read with synchronous flush is there after a loss of power',
  cases: { short: 8, medium: 100, long: 2_000 },
  lanes: 'processors',
  run: (seed, directory) => losePower(seed, directory, noDefect, { readsAll: true })
}

interface PowerLoad {
  /** The newest message is read after each step, not only now and then. */
  readonly readsAll?: boolean
  /** What the disk may have kept of what was not synced, when the power fails under the load. */
  readonly policies?: readonly Partial<CrashPolicy>[]
}

export async function losePower(
  seed: number,
  directory: string,
  defect: Defect,
  { readsAll = false, policies = POLICIES }: PowerLoad = {}
): Promise<Tally> {
  const random = seededRandom(seed)
  const flush = readsAll ? 'sync' : random.pick(['sync', 'async'] as const)
  const images = await imagesOf(random, flush, defect, { readsAll, policies })
  const tally = { images: 0, 'cut recoveries': 0, found: 0, lost: 0 }
  for (const [index, image] of images.entries()) {
    const number = `image ${index}, flush ${flush}`
    const { disk, ledger, survives, history } = await cutRecoveries(image, flush, random.fork(), defect)
    const before = disk.kill()
    try {
      const checked = await check(simulatedPlace(disk, flush, new LoadClock(), defect), ledger, { survives })
      tally.found += checked.found
      tally.lost += checked.lost
    } catch (error) {
      keepDisk(before, directory)
      throw explained(error, `${number}: ${history.join(', then ')}`)
    }
    tally.images++
    tally['cut recoveries'] += history.length - 1
  }
  return tally
}

/** Runs a load, and a second one after a clean close or a recovery, and takes images on the way. */
async function imagesOf(
  random: Random,
  flush: 'sync' | 'async',
  defect: Defect,
  { readsAll, policies }: Required<PowerLoad>
): Promise<Image[]> {
  const images: Image[] = []
  const clock = new LoadClock()
  const ledger = new Ledger(random.uint32(), SMALL_BODY)
  const chooser = random.fork()
  let disk = new SimulatedDisk({ mapper: random.pick(['native', 'plain'] as const), clock })
  const takeImage = (when: string): void => {
    if (images.length < IMAGES_MAX) images.push(imageOf(disk, ledger, chooser, policies, when))
  }
  const watch = (): FaultyFiles =>
    new FaultyFiles(disk, {
      before({ kind, path }) {
        if (chooser.below(CALLS_PER_IMAGE) === 0) takeImage(`before ${kind} ${path}`)
      }
    })

  for (const end of ['close', 'kill'] as const) {
    const files = watch()
    const store = await openSimulated(files, flush, clock, defect)
    await load(store, ledger, { random, clock, steps: STEPS, defect, flush, readsAll })
    if (end === 'close') {
      const until = store.info().appendedUntil
      await store.close()
      ledger.flushed(until)
    }
    takeImage(`after ${end}`)
    const sparse = disk.sparseWrites()
    if (sparse.length > 0) throw new Violation(`written without blocks: ${sparse.slice(0, 3).join(', ')}`)
    disk = disk.kill()
  }
  return images
}

function imageOf(
  disk: SimulatedDisk,
  ledger: Ledger,
  random: Random,
  policies: readonly Partial<CrashPolicy>[],
  when: string
): Image {
  if (random.chance(0.25)) {
    return { disk: disk.kill(), ledger: ledger.copy(), survives: 'appended', history: [`the process died ${when}`] }
  }
  const policy = random.pick(policies)
  return {
    disk: disk.crash(random, policy),
    ledger: ledger.copy(),
    survives: 'flushed',
    history: [`the power failed ${when} (${JSON.stringify(policy)})`]
  }
}

/** Thrown where the power fails: nothing of the engine runs on. */
class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

/** Opens the image and cuts that short, again and again. */
async function cutRecoveries(image: Image, flush: 'sync' | 'async', random: Random, defect: Defect): Promise<Image> {
  let now = image
  for (let nested = 0; nested < NESTED_MAX && random.chance(0.4); nested++) {
    const { disk, ledger } = now
    let survives = now.survives
    let left: { disk: SimulatedDisk; when: string } | undefined
    const policy = random.pick(POLICIES)
    const killed = random.chance(0.3)
    const after = (when: string): { disk: SimulatedDisk; when: string } =>
      killed
        ? { disk: disk.kill(), when: `the process died ${when} in recovery` }
        : { disk: disk.crash(random, policy), when: `the power failed ${when} in recovery (${JSON.stringify(policy)})` }
    let callsLeft = random.between(1, 120)
    const files = new FaultyFiles(disk, {
      before({ kind, path }) {
        if (left !== undefined || --callsLeft > 0) return
        left = after(`before ${kind} ${path}`)
        throw new PowerCut()
      }
    })
    try {
      const store = await opened(() => openSimulated(files, flush, new LoadClock(), defect))
      callsLeft = Number.POSITIVE_INFINITY
      // What a store shows after its recovery is on disk, whatever it was before.
      await checkOpen(store, ledger, { survives })
      survives = 'flushed'
      left = after('when it was done')
    } catch (error) {
      if (!(error instanceof PowerCut)) throw explained(error, now.history.join(', then '))
    }
    assert(left !== undefined, 'a recovery that was cut has left an image')
    // Cut by a failure of power, what was only appended may be gone.
    if (!killed) survives = 'flushed'
    now = { disk: left.disk, ledger, survives, history: [...now.history, left.when] }
  }
  return now
}

function explained(error: unknown, where: string): Error {
  if (error instanceof Violation) return new Violation(`${error.message}; ${where}`)
  return new Error(`${error instanceof Error ? error.message : String(error)}; ${where}`, { cause: error })
}
