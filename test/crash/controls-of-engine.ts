/**
 * Defects planted round the engine on a simulated disk: between engine or broker and disk, between producer and ledger, or
 * in place of the job that scans the log.
 */
import { dirname } from 'node:path'
import { assert, VarveError } from '../../src/base/index.ts'
import type { SaveFile } from '../../src/broker/index.ts'
import {
  CONSUME_QUEUE_ENTRY,
  getInt53,
  locate,
  RECORD_BLANK,
  RECORD_WHOLE,
  RecordPositions,
  setInt53
} from '../../src/layout/index.ts'
import type { Files } from '../../src/store/files.ts'
import { BACKUP_SUFFIX, type Job, type RunJob } from '../../src/store/index.ts'
import { changed, type FileWrapper } from './changed-files.ts'
import { type Control, OF_ONE_IN_FOUR } from './control.ts'
import { damageFiles } from './damage.ts'
import { damageTables } from './damage-broker.ts'
import { beginningOf, countCalls, type FaultSweep, failOnce } from './faults.ts'
import { fillDisk } from './full.ts'
import { acknowledgingTooEarly } from './ledger.ts'
import { losePower, tearsPages } from './power.ts'
import { damageOne } from './rot.ts'
import type { Tally } from './scenario.ts'
import type { Defect } from './simulated-store.ts'
import { cutSaving } from './tables.ts'

const nothing = (): void => {}

/** What many programs do: try once more, and believe the answer. */
function twice(sync: () => void): void {
  try {
    sync()
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== 'STORE_SYNC_FAILED') throw error
    sync()
  }
}

const withScan = (scan: (job: Extract<Job, { type: 'scan' }>, files: Files, honest: RunJob) => ReturnType<RunJob>) => ({
  threads: ((threads, files) => {
    const honest = threads.runJob
    const runJob = ((job: Job) => (job.type === 'scan' ? scan(job, files, honest) : honest(job as never))) as RunJob
    return { ...threads, runJob }
  }) satisfies Defect['threads']
})

/** Walks over whatever has the shape of a record, as long as it says that it stands where it stands. */
function scanWithoutChecksum({ request }: Extract<Job, { type: 'scan' }>, files: Files) {
  const { directory, segmentBytes, from, until } = request
  const base = from - (from % segmentBytes)
  const file = files.open(`${directory}/commitlog/${String(base).padStart(20, '0')}`, 'read')
  const bytes = new Uint8Array(until - base)
  file.read(bytes, 0)
  file.close()
  const view = new DataView(bytes.buffer)
  const positions = new RecordPositions()
  let at = from
  let recordCount = 0
  let lastRecordAt: number | undefined
  let lastStoredAtMs = 0
  let shape: number = RECORD_WHOLE
  while (at < until) {
    shape = locate(view, at - base, until - base, positions)
    if (shape !== RECORD_WHOLE || positions.physicalOffset !== at) break
    recordCount++
    lastRecordAt = at
    lastStoredAtMs = positions.storedAtMs
    at += positions.totalBytes
  }
  const closed = shape === RECORD_BLANK
  const scan = {
    from,
    end: at,
    closed,
    recordCount,
    lastRecordAt,
    lastStoredAtMs,
    damaged: [],
    scannedBytes: at - from
  }
  return Promise.resolve(scan) as never // What the job answers.
}

/** Nothing is known to be good: what is damaged is taken for the torn end. */
const endsAtFirstBadRecord = withScan(({ request, ...job }, _files, honest) =>
  honest({ ...job, request: { ...request, goodUntil: 0, goodStoredAtMs: 0 } })
)

const sparse: Defect = {
  files: files =>
    changed(files, {}, file => ({
      allocate(at, bytes, { keepSize }) {
        if (!keepSize && at + bytes > file.sizeBytes()) file.setSize(at + bytes)
      }
    }))
}

const failedSync: FaultSweep = { kind: 'sync', errno: 'EIO', flush: 'sync', path: /commitlog/ }

async function failEverySync(seed: number, directory: string, defect: Defect): Promise<Tally> {
  const begin = await beginningOf(seed, failedSync.flush)
  const count = await countCalls(begin, failedSync)
  assert(count > 0, 'the load syncs its log')
  for (let nth = 1; nth <= count; nth++) await failOnce(begin, failedSync, nth, directory, defect)
  return { syncs: count }
}

export const controlsOfEngine: readonly Control[] = [
  {
    name: 'acknowledge before the sync',
    defect: { recorder: acknowledgingTooEarly },
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'no sync at all',
    defect: { files: files => changed(files, {}, () => ({ sync: nothing, syncAll: nothing })) },
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'a sync that failed is tried again',
    defect: {
      files: files => changed(files, {}, file => ({ sync: (at, bytes) => twice(() => file.sync(at, bytes)) }))
    },
    hunt: failEverySync,
    casesMax: 3
  },
  {
    name: 'recovery without checksums',
    defect: withScan(scanWithoutChecksum),
    hunt: (seed, directory, defect) => losePower(seed, directory, defect, { policies: [tearsPages] }),
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'recovery that ends at the first bad record',
    defect: endsAtFirstBadRecord,
    hunt: damageOne,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'directories are not synced',
    defect: { files: files => changed(files, { syncDirectory: nothing }) },
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'sparse segments instead of allocated ones',
    defect: sparse,
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'sparse segments instead of allocated ones, on a full disk',
    defect: sparse,
    hunt: fillDisk,
    casesMax: 5,
    mayCrash: true
  },
  {
    name: 'readers get what is not on disk yet',
    defect: { readsEarly: true },
    hunt: (seed, directory, defect) => losePower(seed, directory, defect, { readsAll: true }),
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'offsets are written in place',
    hunt: (seed, directory) => cutSaving(seed, directory, writeInPlace),
    casesMax: 5
  },
  {
    name: 'queues ahead of the log',
    defect: { files: files => changed(files, {}, pointAhead) },
    hunt: losePower,
    casesMax: 5
  },
  {
    name: 'queues are not synced before a table speaks of them',
    defect: {
      files: files => changed(files, {}, ({ path }) => (path.includes('consumequeue') ? { syncAll: nothing } : {}))
    },
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'a mapping that ends while it is used',
    defect: { files: files => changed(files, {}, endMappings) },
    hunt: losePower,
    casesMax: OF_ONE_IN_FOUR,
    mayCrash: true
  },
  {
    name: 'recovery that ends at the first bad record, after any damage',
    defect: endsAtFirstBadRecord,
    hunt: (seed, directory, defect) => damageFiles(seed, directory, defect, 25, 'log'),
    casesMax: OF_ONE_IN_FOUR
  },
  {
    name: 'a table whose backup nobody reads',
    defect: { files: files => changed(files, { find: path => (isBackup(path) ? undefined : files.find(path)) }) },
    hunt: damageTables,
    casesMax: 5,
    isLong: true
  }
]

const isBackup = (path: string): boolean => path.endsWith(BACKUP_SUFFIX)

/** What Apache RocketMQ does with its tables, without its backup. */
const writeInPlace =
  (files: Files): SaveFile =>
  async (path, content) => {
    files.makeDirectory(dirname(path))
    const file = files.open(path, 'create')
    file.setSize(0)
    file.write(content, 0)
    file.syncAll()
    file.close()
    files.syncDirectory(dirname(path))
  }

/** Each entry of a queue leads to where the record behind it would be, which may not be there. */
const pointAhead: FileWrapper = file => {
  if (!file.path.includes('consumequeue')) return {}
  const { physicalOffset, sizeBytes } = CONSUME_QUEUE_ENTRY.at
  return {
    write(from, at) {
      const ahead = Uint8Array.from(from)
      const view = new DataView(ahead.buffer)
      for (
        let entry = 0;
        entry + CONSUME_QUEUE_ENTRY.sizeBytes <= ahead.length;
        entry += CONSUME_QUEUE_ENTRY.sizeBytes
      ) {
        const position = getInt53(view, entry + physicalOffset)
        setInt53(view, entry + physicalOffset, position + view.getInt32(entry + sizeBytes))
      }
      file.write(ahead, at)
    }
  }
}

/** The tenth call for a mapping of the log finds it gone. */
const endMappings: FileWrapper = file => {
  if (!file.path.includes('commitlog')) return {}
  return {
    map(bytes, mode) {
      const mapping = file.map(bytes, mode)
      let uses = 0
      const used = <Value>(value: Value): Value => {
        if (++uses === 10) mapping.release()
        return value
      }
      return {
        get bytes() {
          return used(mapping).bytes
        },
        get view() {
          return used(mapping).view
        },
        address: mapping.address,
        resident: (at, count) => used(mapping).resident(at, count),
        release: () => uses < 10 && mapping.release()
      }
    }
  }
}
