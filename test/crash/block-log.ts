/**
 * Block log: the power fails under a real file system, ext4 or xfs.
 *
 * A producer with real threads appends to a store on a disk that writes down what happens to it (logged-disk.cc). What the
 * producer was told stands in the same log, so that for any place in it one knows what must be there if the power fails
 * just then: what was flushed before. The disk then has every write that a flush of it covers, and of the others what the
 * random numbers say. The kernel mounts such an image and replays its journal, then the oracle looks at the store.
 *
 * In some images the power fails once more, while the kernel and the store recover.
 *
 * Nothing has been started anew in between: it is by the number of the mount that the store tells a loss of power from the
 * death of a process.
 *
 * All choices follow from the seed, but what stands in the log depends on time as well: a case that fails keeps its image.
 *
 * Not here: rules of the disk (test/support/disk-log.ts), how it is made (logged-disk.ts), file systems on it (disk-image.ts).
 */
import { appendFileSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, MiB, type Random, seededRandom } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { type MapperKind, openRealFiles } from '../../src/store/index.ts'
import { type CachePolicy, type DiskRecord, type DiskWrite, survivorsOf } from '../support/disk-log.ts'
import { within } from './broker-child.ts'
import {
  copyImage,
  EXT4,
  type FileSystem,
  FLUSHES_NOTHING,
  makeFileSystem,
  whyNoFileSystem,
  writeImage,
  XFS
} from './disk-image.ts'
import { enterJournal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { buildLoggedDisk, type LoggedDisk, recordDisk } from './logged-disk.ts'
import { ImageRefused, onFileSystem, onImage, whyNoMount } from './mounted.ts'
import { check, checkOpen, opened } from './oracle.ts'
import { startProducer } from './producer-child.ts'
import type { ProducerDefect } from './producer-process.ts'
import { type Scenario, type Size, skipped, type Tally } from './scenario.ts'
import { Violation } from './violation.ts'

/** Of the images of one case, all of which are made from one load. */
const MOUNTS: Readonly<Record<Size, number>> = { short: 12, medium: 12, long: 40 }
const BODY = { bytesMax: 20 * KiB }
const LOAD_BYTES_MAX = 6 * MiB
/** For images and log, all of which are sparse or small. */
const MEMORY_BYTES_MAX = 3 * 1024 * MiB
const RECOVERY_CUTS = 2

/** Marks beside what the producers tell. */
const RECOVERED = 'recovered\n'
const NEXT_LIFE = 'next life\n'

const POLICIES: readonly CachePolicy[] = [
  { kept: 0, torn: 0 },
  { kept: 1, torn: 0 },
  { kept: 0.5, torn: 0 },
  { kept: 0.5, torn: 0.4 },
  { kept: 0.9, torn: 0.1 },
  { kept: 0.1, torn: 0.5 }
]

export type DiskDefect = ProducerDefect | 'the file system flushes nothing'

export const blockLog: Scenario = {
  name: 'block-log',
  about: 'loss of power under ext4 and xfs: images of what a disk may have kept, mounted and looked at',
  cases: { short: 0, medium: 4, long: 125 },
  lanes: 1,
  run: (seed, directory, size) => losePowerOnDisk(seed, directory, MOUNTS[size])
}

export async function losePowerOnDisk(
  seed: number,
  directory: string,
  mounts: number,
  defect?: DiskDefect
): Promise<Tally> {
  const memory = join(directory, 'memory')
  const missing = whyNoMount(memory)
  if (missing !== undefined) return skipped(`no power is lost: ${missing}`)
  return onFileSystem(memory, MEMORY_BYTES_MAX, async () => {
    const reason = buildLoggedDisk(memory) ?? (await whyNoFileSystem(memory, EXT4))
    if (reason !== undefined) return skipped(`no power is lost: ${reason}`)
    if (openRealFiles().mountOf(memory) === undefined) {
      return skipped('no power is lost: this system does not tell one mount from the next (Linux 6.8 does)')
    }
    const wanted = seed % 2 === 1 && defect === undefined ? XFS : EXT4
    const lacking = wanted === EXT4 ? undefined : await whyNoFileSystem(memory, wanted)
    const tally = lacking === undefined ? {} : skipped(`ext4 instead of ${wanted.type}: ${lacking}`)
    const fileSystem = lacking === undefined ? wanted : EXT4
    const loss = new PowerLoss(seed, directory, memory, fileSystem, defect)
    await loss.run(mounts, seed % 4 < 2 ? 'sync' : 'async')
    return { ...tally, ...loss.tally }
  })
}

/** What is known at a place in the log: marks are heard, and change the ledger. */
interface Witness {
  hear(mark: string): void
  ledger(): Ledger
}

interface Cut {
  /** So many records of the log have happened. */
  readonly position: number
  readonly policy: CachePolicy
}

class PowerLoss {
  readonly tally = {
    'ext4 mounts': 0,
    'xfs mounts': 0,
    'cut recoveries': 0,
    'torn file systems': 0,
    flushes: 0,
    writes: 0,
    found: 0,
    lost: 0
  }
  readonly #random: Random
  readonly #directory: string
  readonly #memory: string
  readonly #disk: string
  readonly #fileSystem: FileSystem
  readonly #mountOptions: string
  readonly #defect: DiskDefect | undefined

  constructor(seed: number, directory: string, memory: string, fileSystem: FileSystem, defect: DiskDefect | undefined) {
    this.#random = seededRandom(seed)
    this.#directory = directory
    this.#memory = memory
    this.#disk = join(memory, 'disk')
    this.#fileSystem = fileSystem
    this.#defect = defect
    const chosen = this.#random.pick(fileSystem.mountOptions)
    this.#mountOptions = defect === 'the file system flushes nothing' ? `${chosen},${FLUSHES_NOTHING}` : chosen
  }

  async run(mounts: number, flush: 'sync' | 'async'): Promise<void> {
    const random = this.#random
    const ledger = new Ledger(random.uint32(), BODY)
    const options: StoreOptions = {
      directory: join(this.#disk, 'store'),
      flush,
      flushIntervalMs: 50,
      segmentBytes: random.pick([256 * KiB, MiB]),
      queueFileEntries: 500,
      indexSlots: 500,
      indexItems: 2_000,
      mapper: random.pick<MapperKind | 'auto'>(['auto', 'native', 'plain']),
      retention: { diskUsedRatioFull: 1, diskUsedRatioForced: 1, diskUsedRatioMax: 1 }
    }
    const base = join(this.#memory, 'base')
    makeFileSystem(base, this.#fileSystem)
    const records = await this.#record(base, disk => this.#produce(disk, options, ledger))
    this.tally.flushes += records.filter(({ kind }) => kind === 'flush').length
    this.tally.writes += records.filter(({ kind }) => kind === 'write').length
    const witness: Witness = {
      hear: mark => (mark === NEXT_LIFE ? ledger.leaveUnsure() : enterJournal(mark, ledger)),
      ledger: () => ledger.copy()
    }
    await this.#lookAtCuts(options, base, records, cutsOf(records, mounts, random), witness)
  }

  /** What happens to a disk on which the file system of `base` is mounted while `work` runs. `base` stays as it is. */
  #record(base: string, work: (disk: LoggedDisk) => Promise<void>): Promise<DiskRecord[]> {
    const live = join(this.#memory, 'live')
    copyImage(base, live)
    const { type } = this.#fileSystem
    return recordDisk(this.#memory, live, disk =>
      onImage({ path: disk.path, type, mountOptions: this.#mountOptions }, this.#disk, () => work(disk))
    )
  }

  /** One producer, or a second one that goes on where the first has ended. */
  async #produce({ mark }: LoggedDisk, store: StoreOptions, { seed }: Ledger): Promise<void> {
    const random = this.#random
    for (let lives = random.between(1, 2); lives > 0; lives--) {
      const told = new Ledger(seed, BODY)
      for (const life of readFileSync(mark, 'latin1').split(NEXT_LIFE)) enterJournal(life, told)
      const producer = startProducer({
        store,
        journal: mark,
        messageSeed: seed,
        seed: random.uint32(),
        firstId: told.nextId,
        body: BODY,
        bytesMax: LOAD_BYTES_MAX,
        ...(this.#defect === 'acknowledges before the sync' ? { defect: this.#defect } : {})
      })
      await producer.opened
      await within(random.between(300, 1_500), producer.ended)
      await producer.end(random.chance(0.5) ? 'closed' : 'killed')
      appendFileSync(mark, NEXT_LIFE)
    }
  }

  /** Lets the power fail at each of the cuts. `durable` becomes what the disk has for certain at the last of them. */
  async #lookAtCuts(
    store: StoreOptions,
    durable: string,
    records: readonly DiskRecord[],
    cuts: readonly Cut[],
    witness: Witness,
    history = ''
  ): Promise<void> {
    let happened = 0
    let pending: DiskWrite[] = []
    for (const { position, policy } of cuts) {
      for (; happened < position; happened++) {
        const record = records[happened] as DiskRecord // Cuts are inside the log.
        if (record.kind === 'write') pending.push(record)
        else if (record.kind === 'mark') witness.hear(record.text)
        else {
          writeImage(durable, pending)
          pending = []
        }
      }
      const when = `the power failed after ${position} of ${records.length} things that happened to the disk`
      const what = `${history}${when} (${JSON.stringify(policy)})`
      await this.#lookAtCut(store, { durable, pending, policy }, witness.ledger(), what, history !== '')
    }
  }

  async #lookAtCut(
    store: StoreOptions,
    { durable, pending, policy }: { durable: string; pending: readonly DiskWrite[]; policy: CachePolicy },
    ledger: Ledger,
    history: string,
    isNested: boolean
  ): Promise<void> {
    const image = join(this.#memory, isNested ? 'image-again' : 'image')
    const random = this.#random
    const survivors = survivorsOf(pending, random, policy)
    const make = (path: string): void => {
      copyImage(durable, path)
      writeImage(path, survivors)
    }
    try {
      make(image)
      await this.#lookAt(store, image, ledger.copy())
      if (isNested || !random.chance(0.15)) return
      make(image)
      await this.#cutRecovery(store, image, ledger, history)
    } catch (error) {
      if (error instanceof ImageRefused && policy.torn > 0) {
        // No promise of ours: file systems take it for granted that their superblock is written as a whole.
        this.tally['torn file systems']++
        const whole = { durable, pending, policy: { ...policy, torn: 0 } }
        return this.#lookAtCut(store, whole, ledger, `${history}, without torn writes`, isNested)
      }
      if (isNested) throw error
      make(join(this.#directory, `image.${this.#fileSystem.type}`))
      throw this.#explained(error, store, history)
    }
  }

  async #lookAt(store: StoreOptions, path: string, ledger: Ledger): Promise<void> {
    const threads = this.#random.pick(['none', 'none', 'workers'] as const)
    const open = (): Promise<Store> => openStore({ ...store, threads })
    const files = openRealFiles({ mapper: store.mapper ?? 'auto' })
    await onImage({ path, type: this.#fileSystem.type, mountOptions: '' }, this.#disk, async () => {
      const place = { directory: store.directory, files, open }
      const { found, lost } = await check(place, ledger, { survives: 'flushed' })
      this.tally.found += found
      this.tally.lost += lost
    })
    this.tally[`${this.#fileSystem.type} mounts`]++
  }

  /** Opens the store of an image, and lets the power fail meanwhile. What it has shown by then must stay. */
  async #cutRecovery(store: StoreOptions, image: string, before: Ledger, history: string): Promise<void> {
    const base = join(this.#memory, 'base-again')
    renameSync(image, base)
    const after = before.copy()
    const records = await this.#record(base, async ({ mark }) => {
      const recovering = await opened(() => openStore(store))
      await checkOpen(recovering, after, { survives: 'flushed' })
      appendFileSync(mark, RECOVERED)
      await recovering.close()
    })
    let known = before
    const witness: Witness = {
      hear: mark => {
        if (mark === RECOVERED) known = after
      },
      ledger: () => known.copy()
    }
    const cuts = cutsOf(records, RECOVERY_CUTS, this.#random)
    await this.#lookAtCuts(store, base, records, cuts, witness, `${history}, then in recovery `)
    this.tally['cut recoveries']++
  }

  #explained(error: unknown, { flush, mapper }: StoreOptions, history: string): unknown {
    if (!(error instanceof Error)) return error
    const where = `${this.#fileSystem.type} ${this.#mountOptions}, flush ${flush}, mapper ${mapper}: ${history}`
    const message = `${error.message}; ${where}`
    if (error instanceof Violation) return new Violation(message, { cause: error.cause })
    return new Error(message, { cause: error })
  }
}

/** Behind what the producer was told is on disk, before a flush is done, and anywhere; in the order of the log. */
function cutsOf(records: readonly DiskRecord[], count: number, random: Random): Cut[] {
  const acknowledged = positionsOf(records, record => record.kind === 'mark' && record.text.includes('flushed'))
  const flushes = positionsOf(records, ({ kind }) => kind === 'flush')
  const cuts = Array.from({ length: count }, () => {
    const chosen = random.below(3)
    const policy = random.pick(POLICIES)
    if (chosen === 0 && acknowledged.length > 0) return { position: random.pick(acknowledged) + 1, policy }
    if (chosen === 1 && flushes.length > 0) return { position: random.pick(flushes), policy }
    return { position: random.below(records.length + 1), policy }
  })
  return cuts.sort((a, b) => a.position - b.position)
}

function positionsOf(records: readonly DiskRecord[], isMeant: (record: DiskRecord) => boolean): number[] {
  return [...records.keys()].filter(i => isMeant(records[i] as DiskRecord)) // From its own keys.
}
