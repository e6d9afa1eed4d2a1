/** Reading what is not in memory, with real threads: a job of the pool fetches it, and whoever appends does not wait for the disk. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MiB } from '../../src/base/index.ts'
import type { Job, MapperKind, RunJob, Store } from '../../src/store/index.ts'
import { openRealFiles, openStoreWith } from '../../src/store/index.ts'
import type { StoreThreads } from '../../src/store/threads.ts'
import { piscinaThreads } from '../../src/workers/index.ts'
import { bodyOf, filesBelow, freshDirectory, mappers, message, nameOf, QUEUE } from '../support/store-fixtures.ts'

const COUNT = 4000
const BODIES_PER_SEGMENT = 32
const SIZES = { segmentBytes: 4 * MiB, queueFileEntries: 1000, indexSlots: 16, indexItems: 64 }
const SELECT = {
  countMax: 100,
  bytesMax: MiB,
  scanMax: 100,
  diskDistanceBytes: Number.POSITIVE_INFINITY,
  diskCountMax: 100,
  diskBytesMax: MiB,
  filter: undefined
}
const nameAt = (i: number): string => `m${i}`

interface Watched {
  readonly store: Store
  /** Types of the jobs so far. */
  readonly jobs: ReadonlySet<string>
  /** Jobs that read wait until this is called. */
  readonly release: () => void
  /** Resolves when one waits. */
  readonly waiting: Promise<void>
}

describe.each(mappers.filter(mapper => mapper !== 'plain'))(
  'what lies on disk alone, in a store with %s files,',
  mapper => {
    test('is read by a worker while appends and other reads go on', async () => {
      const directory = await filled(mapper)
      const watched = await opened(directory, mapper)
      await using store = watched.store
      store.append(message('hot', { topic: 'hot' }))
      // The system may keep for a moment what it is still busy with; and what has been found in memory is mapped, and stays.
      const isCold = (from: number): boolean =>
        store.readViewsResident({ ...QUEUE, offset: from, countMax: 20 }) === undefined
      let first = 100
      for (chill(directory); !isCold(first) && first < COUNT - 500; first += 400) chill(directory)
      expect(isCold(first)).toBe(true)

      const reading = store.read({ ...QUEUE, offset: first, countMax: 20 })
      await watched.waiting
      // The worker has the request and does not answer: nothing else is held up by that.
      const more = { topic: 'hot', queueId: 0 }
      for (let i = 0; i < 500; i++) expect(store.append(message(bodyOf(i), more)).queueOffset).toBe(i + 1)
      await store.flushed()
      expect((await store.read({ ...more, offset: 500, countMax: 1 })).messages.map(nameOf)).toEqual(['m499'])

      watched.release()
      const { messages, damaged } = await reading
      expect(damaged).toEqual([])
      expect(messages.map(nameOf)).toEqual(Array.from({ length: 20 }, (_, i) => nameAt(first + i)))
      expect(watched.jobs.size).toBeGreaterThan(0)
    })

    test('costs the thread that appends no wait for the disk, by any way of reading', async () => {
      const directory = await filled(mapper)
      const { store, release, jobs } = await opened(directory, mapper)
      release()
      await using _ = store
      chill(directory)
      const waits = diskWaits()
      const names: string[] = []
      for (let offset = 0; offset < COUNT; ) {
        const { messages, nextOffset } = await store.read({ ...QUEUE, offset, countMax: 500 })
        for (const found of messages) names.push(nameOf(found))
        offset = nextOffset
      }
      expect(names).toEqual(Array.from({ length: COUNT }, (_, i) => nameAt(i)))
      const { recordPositions } = await positionsOf(store)
      chill(directory)
      expect(nameOf(await store.messageAt(recordPositions[1] as number))).toBe(nameAt(1000))
      expect((await store.recordAt(recordPositions[2] as number)).length).toBeGreaterThan(1000)
      const { count } = await store.readViews({ ...QUEUE, offset: 3000, countMax: 100 })
      expect(count).toBe(100)
      const selected = await store.selectFetching({ ...QUEUE, ...SELECT, offset: 3500 })
      expect(selected.count).toBeGreaterThan(0)
      // A fault for each window of read-ahead would be hundreds. Code of the process itself may be cold as well.
      expect(diskWaits() - waits).toBeLessThan(20)
      expect(jobs).toContain('fetch')
    })
  }
)

/** A store of COUNT messages in one queue, closed. */
async function filled(mapper: MapperKind): Promise<string> {
  const directory = freshDirectory()
  const threads = piscinaThreads(mapper)
  await using store = await openStoreWith(
    { ...SIZES, directory, mapper },
    { files: openRealFiles({ mapper }), threads }
  )
  for (let i = 0; i < COUNT; i++) store.append(message(bodyOf(i, BODIES_PER_SEGMENT)))
  await store.flushed()
  return directory
}

async function opened(directory: string, mapper: MapperKind): Promise<Watched> {
  const jobs = new Set<string>()
  let release = (): void => {}
  let tellWaiting = (): void => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const waiting = new Promise<void>(resolve => {
    tellWaiting = resolve
  })
  const inner = piscinaThreads(mapper)
  const runJob = (async (job: Job) => {
    if (job.type === 'fetch' || job.type === 'queueStarts') {
      jobs.add(job.type)
      tellWaiting()
      await released
    }
    return inner.runJob(job as never)
  }) as RunJob
  const threads = new Proxy<StoreThreads>(inner, {
    get(target, name) {
      if (name === 'runJob') return runJob
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  const store = await openStoreWith({ ...SIZES, directory, mapper }, { files: openRealFiles({ mapper }), threads })
  return { store, jobs, release, waiting }
}

/** Takes all files of log and queues out of memory, as far as nobody has touched them through a mapping. */
function chill(directory: string): void {
  execFileSync('sync', ['-f', directory])
  for (const folder of ['commitlog', 'consumequeue']) {
    for (const path of filesBelow(directory, folder).keys()) {
      execFileSync('dd', [`if=${join(directory, folder, path)}`, 'iflag=nocache', 'count=0', 'status=none'])
    }
  }
}

/** How often this thread has waited for the disk because it touched a page that was not in memory. */
function diskWaits(): number {
  const facts = readFileSync('/proc/thread-self/stat', 'utf8')
  return Number(facts.slice(facts.lastIndexOf(')') + 2).split(' ')[9])
}

async function positionsOf(store: Store): Promise<{ recordPositions: number[] }> {
  const recordPositions: number[] = []
  for (const offset of [0, 1000, 2000]) {
    const { messages } = await store.read({ ...QUEUE, offset, countMax: 1 })
    recordPositions.push(messages[0]?.physicalOffset ?? -1)
  }
  return { recordPositions }
}
