/**
 * Repair: from what verification has found to a store that is in order, as far as the log allows.
 *
 * Opening a store mends most things by itself (recovery.ts). What it cannot know without reading everything is brought
 * about here: damage in the log is written down, and queues and index that are wrong are made to be built anew.
 *
 * Invariants:
 * - nothing of the log that parses is deleted: a torn tail goes into quarantine, damage stays where it is
 * - whenever it is stopped, the next start of the store ends what was begun
 *
 * Not here: finding what is wrong (verify.ts), opening with threads (the caller).
 */
import { join } from 'node:path'
import type { PhysicalOffset } from '../base/index.ts'
import { type DirectoryFacts, type KnownSizes, readDirectoryFacts } from './directory-facts.ts'
import type { Files } from './files.ts'
import { listIndexFiles } from './key-index-names.ts'
import { abortPath, consumeQueueDirectory, indexDirectory, lockPath, sidecarDirectory } from './paths.ts'
import { readDamage, writeDamage } from './sidecar.ts'
import type { DamagedRange, Store, StoreOptions } from './store-api.ts'
import type { VerifyReport } from './verify.ts'

export interface RepairStep {
  readonly action: 'lengthen-segment' | 'cut-tail' | 'mark-damage' | 'put-into-queues' | 'rebuild' | 'beyond-repair'
  readonly says: string
}

/** Nothing, for a store in order. */
export function planRepair(report: VerifyReport): RepairStep[] {
  const steps: RepairStep[] = []
  const short = shortSegments(report)
  for (const path of short) steps.push({ action: 'lengthen-segment', says: `give ${path} its full size again` })
  for (const { kind, problem, path } of report.damage) {
    if (kind !== 'segment-file' || path === undefined || short.includes(path)) continue
    steps.push({ action: 'beyond-repair', says: `${path}: ${problem}; only a copy of the store can help` })
  }
  const damaged = damagedRanges(report)
  if (damaged.length > 0) {
    const says = `write down ${damaged.length} damaged ${damaged.length === 1 ? 'range' : 'ranges'} of the log, which stay as they are`
    steps.push({ action: 'mark-damage', says })
  }
  if (report.tornTailBytes > 0) {
    const says = `move ${report.tornTailBytes} bytes behind the last good record, at ${report.logEnd}, into quarantine`
    steps.push({ action: 'cut-tail', says })
  }
  if (report.damage.some(({ derived }) => derived)) {
    const resurrected = report.unmarkedCount === 0 ? '' : '; topics that were deleted come back with their old messages'
    steps.push({ action: 'rebuild', says: `build queues and key index anew from the log${resurrected}` })
  } else if (report.pendingCount > 0) {
    steps.push({ action: 'put-into-queues', says: `put ${report.pendingCount} messages into their queues` })
  }
  return steps
}

export interface RepairWorld {
  readonly files: Files
  readonly sizes: KnownSizes
  /** Opens the store with recovery, as for use. */
  readonly open: (options: StoreOptions) => Promise<Store>
  readonly onProgress?: StoreOptions['onProgress']
}

/** @throws VarveError STORE_LOCKED, and everything that opening throws */
export async function applyRepair(report: VerifyReport, world: RepairWorld): Promise<void> {
  const { directory } = report
  const facts = readDirectoryFacts(world.files, directory, world.sizes)
  const damaged = damagedRanges(report)
  withLock(world.files, directory, () => {
    for (const path of shortSegments(report)) lengthen(world.files, path, facts.segmentBytes)
    if (damaged.length > 0) {
      const known = readDamage(world.files, directory)
      const isKnown = (range: DamagedRange): boolean =>
        known.some(({ from, until }) => from <= range.from && until >= range.until)
      writeDamage(world.files, directory, [...known, ...damaged.filter(range => !isKnown(range))])
    }
  })
  if (report.damage.some(({ derived }) => derived))
    await rebuild(facts, { queues: true, index: true }, world, damaged.length > 0)
  else await reopen(facts, world)
}

/**
 * Builds the queues and the key index, or the index alone, anew from the log. One pass builds both, so asking for the
 * queues brings the index as well.
 * @throws VarveError STORE_LOCKED, and everything that opening throws
 */
export async function rebuildDerived(
  directory: string,
  what: { readonly queues: boolean; readonly index: boolean },
  world: RepairWorld
): Promise<void> {
  await rebuild(readDirectoryFacts(world.files, directory, world.sizes), what, world, false)
}

async function rebuild(
  facts: DirectoryFacts,
  { queues, index }: { queues: boolean; index: boolean },
  world: RepairWorld,
  logIsDamaged: boolean
): Promise<void> {
  const { files } = world
  const { directory, condition } = facts
  const isForeign = condition === 'foreign' || condition === 'foreign-crashed'
  if (isForeign && !logIsDamaged) {
    withLock(files, directory, () => {
      // Without it, recovery begins where the queues end: as there are none, at the first segment.
      files.remove(abortPath(directory))
      files.syncDirectory(directory)
      files.removeDirectory(consumeQueueDirectory(directory))
      removeIndex(files, directory)
    })
    await reopen(facts, world)
    return
  }
  // Damage in a log of Apache RocketMQ is told from its end only while the queues are there: so that comes first.
  if (isForeign) await reopen(facts, world)
  withLock(files, directory, () => {
    const hasIndexEnd = (facts.state?.indexEndPhysicalOffset ?? 0) > 0
    if (queues || !hasIndexEnd || condition !== 'clean') files.remove(join(sidecarDirectory(directory), 'queues'))
    if (index || queues) removeIndex(files, directory)
    files.syncDirectory(sidecarDirectory(directory))
  })
  await reopen(facts, world)
}

/** Recovery does the rest. */
async function reopen(facts: DirectoryFacts, { open, onProgress }: RepairWorld): Promise<void> {
  const { directory, segmentBytes, queueFileEntries, indexShape } = facts
  const store = await open({
    directory,
    create: false,
    segmentBytes,
    queueFileEntries,
    ...(indexShape === undefined ? {} : { indexSlots: indexShape.slots, indexItems: indexShape.items }),
    retention: { intervalMs: 0 }, // Whoever mends does not want anything deleted.
    ...(onProgress === undefined ? {} : { onProgress })
  })
  await store.close()
}

function withLock(files: Files, directory: string, work: () => void): void {
  const lock = files.lock(lockPath(directory))
  try {
    work()
  } finally {
    lock.release()
  }
}

function removeIndex(files: Files, directory: string): void {
  const parent = indexDirectory(directory)
  for (const name of listIndexFiles(files, parent)) files.remove(join(parent, name))
}

function lengthen(files: Files, path: string, segmentBytes: number): void {
  const file = files.open(path, 'write')
  try {
    file.allocate(0, segmentBytes, { keepSize: false })
    file.setSize(segmentBytes)
    file.syncAll()
  } finally {
    file.close()
  }
}

const shortSegments = ({ damage }: VerifyReport): string[] =>
  damage.flatMap(({ kind, problem, path }) =>
    kind === 'segment-file' && path !== undefined && /^it has \d+ bytes/.test(problem) ? [path] : []
  )

function damagedRanges({ damage }: VerifyReport): DamagedRange[] {
  return damage.flatMap(({ kind, problem, from, until }) =>
    (kind === 'log' || kind === 'record') && from !== undefined && until !== undefined
      ? [{ from: from as PhysicalOffset, until: until as PhysicalOffset, reason: problem }]
      : []
  )
}
