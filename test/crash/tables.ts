/**
 * Tables: a broker commits offsets and saves them, on a disk that loses power before any call, or whose process dies.
 *
 * Proved each time: the tables open; no offset is ahead of what was committed; none is behind what a finished save held;
 * and what a start has read is what the next one reads, though the power fails again.
 */
import { type Random, seededRandom, silentLog } from '../../src/base/index.ts'
import { brokerConfig, openTables, type SaveFile, saveHere } from '../../src/broker/index.ts'
import type { Files } from '../../src/store/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { keepDisk } from './keep.ts'
import { QUEUES } from './messages.ts'
import type { Scenario, Tally } from './scenario.ts'
import { DIRECTORY, LoadClock } from './simulated-store.ts'
import { Violation } from './violation.ts'

const STEPS = 60
const GROUPS = ['readers', 'writers', 'auditors']
const CALLS_PER_IMAGE = 8
const IMAGES_MAX = 30

export const tables: Scenario = {
  name: 'tables',
  about: 'offsets that a broker saves, when the power fails or the process dies before any call',
  cases: { short: 20, medium: 300, long: 5_000 },
  lanes: 'processors',
  run: (seed, directory) => cutSaving(seed, directory, saveHere)
}

/** By `group topic/queue`. */
type Offsets = ReadonlyMap<string, number>

interface Image {
  readonly disk: SimulatedDisk
  readonly committed: Offsets
  readonly saved: Offsets
  readonly when: string
}

export async function cutSaving(seed: number, directory: string, saving: (files: Files) => SaveFile): Promise<Tally> {
  const random = seededRandom(seed)
  for (const image of await imagesOf(random, saving)) {
    const before = image.disk.kill()
    try {
      const found = check(image.disk, image)
      const again = image.disk.crash(random)
      check(again, { ...image, saved: found, committed: found })
    } catch (error) {
      keepDisk(before, directory)
      throw new Violation(`${error instanceof Error ? error.message : String(error)}; ${image.when}`, { cause: error })
    }
  }
  return { images: IMAGES_MAX }
}

async function imagesOf(random: Random, saving: (files: Files) => SaveFile): Promise<Image[]> {
  const disk = new SimulatedDisk()
  disk.makeDirectory(DIRECTORY)
  disk.syncDirectory('/')
  const images: Image[] = []
  const committed = new Map<string, number>()
  let saved: Offsets = new Map()
  const chooser = random.fork()
  const files = new FaultyFiles(disk, {
    before({ kind, path }) {
      if (images.length === IMAGES_MAX || chooser.below(CALLS_PER_IMAGE) > 0) return
      const isKilled = chooser.chance(0.3)
      images.push({
        disk: isKilled ? disk.kill() : disk.crash(chooser),
        committed: new Map(committed),
        saved,
        when: `the ${isKilled ? 'process died' : 'power failed'} before ${kind} ${path}`
      })
    }
  })
  const { offsets } = open(files, saving(files))
  for (let step = 0; step < STEPS || images.length < IMAGES_MAX; step++) {
    for (let commits = random.between(1, 20); commits > 0; commits--) {
      const queue = random.pick(QUEUES)
      const group = random.pick(GROUPS)
      const name = nameOf(group, queue)
      const offset = (committed.get(name) ?? 0) + random.below(100)
      offsets.commit({ group, ...queue }, offset)
      committed.set(name, offset)
    }
    const inFile = new Map(committed)
    await offsets.saved()
    saved = inFile
  }
  return images
}

function open(files: Files, save: SaveFile) {
  const config = brokerConfig({ brokerName: 'crash' })
  return openTables({ directory: DIRECTORY, files, save, clock: new LoadClock(), log: silentLog, config })
}

/** Returns what is found. @throws Violation */
function check(disk: SimulatedDisk, { committed, saved }: Pick<Image, 'committed' | 'saved'>): Offsets {
  const { offsets } = open(disk, saveHere(disk))
  const found = new Map<string, number>()
  for (const group of GROUPS) {
    for (const queue of QUEUES) {
      const name = nameOf(group, queue)
      const offset = offsets.find({ group, ...queue })
      if (offset !== undefined) found.set(name, offset)
      const least = saved.get(name) ?? 0
      const most = committed.get(name) ?? 0
      if ((offset ?? 0) > most) throw new Violation(`${name} is at ${offset}, ahead of ${most}`)
      if ((offset ?? 0) < least) throw new Violation(`${name} is at ${offset}, saved was ${least}`)
    }
  }
  return found
}

const nameOf = (group: string, { topic, queueId }: (typeof QUEUES)[number]): string => `${group} ${topic}/${queueId}`
