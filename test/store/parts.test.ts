/** The small parts of the engine by themselves, at the edges that no store of a test's size reaches. */
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { GiB, seededRandom } from '../../src/base/index.ts'
import { encodeText } from '../../src/layout/index.ts'
import { Gap } from '../../src/store/gap.ts'
import { offsetByTime } from '../../src/store/offset-by-time.ts'
import { openFilesLimit, queueFilesOpenMax } from '../../src/store/open-files-limit.ts'
import { LAG_BYTES_MAX, Progress, SLOT } from '../../src/store/progress.ts'
import { QueueCounts } from '../../src/store/queue-counts.ts'
import { QueueFiles } from '../../src/store/queue-files.ts'
import { newStagedQueue, QueueStage, type StagedQueue } from '../../src/store/queue-stage.ts'
import { TopicTable } from '../../src/store/topic-table.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

describe('progress', () => {
  const edges = [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 2 ** 31, 2 ** 53 - 2 * GiB]

  test.each(edges)('completes positions around %d from any position within 2 GiB', edge => {
    const progress = new Progress()
    for (const distance of [0, 1, 1000, GiB, 2 * GiB - 1]) {
      progress.publish(SLOT.appended, edge)
      expect(progress.position(SLOT.appended, edge + distance)).toBe(edge)
      if (edge >= distance) expect(progress.position(SLOT.appended, edge - distance)).toBe(edge)
    }
  })

  test.each(edges)('completes positions around %d from any that is less than 4 GiB ahead, or behind', edge => {
    const progress = new Progress()
    for (const distance of [0, 1, 2 * GiB, LAG_BYTES_MAX]) {
      progress.publish(SLOT.dispatched, edge)
      if (edge + distance <= Number.MAX_SAFE_INTEGER)
        expect(progress.positionBehind(SLOT.dispatched, edge + distance)).toBe(edge)
      if (edge >= distance) expect(progress.positionAhead(SLOT.dispatched, edge - distance)).toBe(edge)
    }
  })

  test.each(edges)('keeps the further of two positions around %d', edge => {
    const progress = new Progress()
    progress.publish(SLOT.flushed, edge)
    progress.advanceTo(SLOT.flushed, edge + GiB)
    progress.advanceTo(SLOT.flushed, edge + 5)
    expect(progress.position(SLOT.flushed, edge)).toBe(edge + GiB)
  })

  test('remembers times to the millisecond, and addresses of neighbouring segments', () => {
    const progress = new Progress()
    const other = new Progress(progress.shared)
    progress.appendedAtMs = 1_700_000_000_123
    progress.flushedAtMs = 2
    progress.queuesDurableAtMs = 3
    expect([other.appendedAtMs, other.flushedAtMs, other.queuesDurableAtMs]).toEqual([1_700_000_000_123, 2, 3])
    for (const segment of [7, 8, 9, 10]) progress.setAddress(segment, 2 ** 47 + segment)
    expect([7, 8, 9, 10].map(segment => other.address(segment) - 2 ** 47)).toEqual([7, 8, 9, 10])
  })

  test('wakes only who sleeps, and lets nobody sleep who has work', () => {
    const progress = new Progress()
    progress.wakeIfAsleep('flusher')
    expect(progress.count(SLOT.wakeFlusher)).toBe(0)
    progress.sleep('flusher', 60_000, () => true)
    progress.sleep('flusher', 60_000, () => {
      progress.wakeIfAsleep('flusher') // Between the announcement and the sleep.
      return false
    })
    expect([progress.count(SLOT.wakeFlusher), progress.count(SLOT.sleepsFlusher)]).toEqual([1, 0])
  })
})

describe('queue counts', () => {
  test.each([0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 45])('complete the count from the next offset around %d', edge => {
    const counts = QueueCounts.sized(3)
    counts.publish(2, edge)
    for (const ahead of [0, 1, 2 ** 31 - 1]) expect(counts.written(2, edge + ahead)).toBe(edge)
    expect(new QueueCounts(counts.shared).written(2, edge)).toBe(edge)
    expect(counts.queueCountMax).toBe(3)
  })
})

describe('the gap', () => {
  test('leads back through the messages of one queue among others', () => {
    const gap = new Gap(1024, 4)
    const newest = [-1, -1, -1]
    const positions: number[][] = [[], [], []]
    const random = seededRandom(3)
    for (let position = 100; position < 60_000; position += 100) {
      const queue = random.below(3)
      expect(gap.makeRoomFor(1, 0)).toBe(true)
      newest[queue] = gap.push(position, newest[queue]!)
      positions[queue]!.push(position)
    }
    for (const [queue, known] of positions.entries()) {
      let ordinal = newest[queue]!
      for (let i = known.length - 1; i >= 0; i--) {
        expect(gap.position(ordinal)).toBe(known[i])
        if (i > 0) ordinal = gap.previous(ordinal)
      }
    }
  })

  test('grows to its limit, then has room for what has been written alone', () => {
    const gap = new Gap(8, 2)
    for (let i = 0; i < 8; i++) {
      expect(gap.makeRoomFor(1, 0)).toBe(true)
      gap.push(10 * i, i - 1)
    }
    expect(gap.makeRoomFor(1, 0)).toBe(false)
    expect(gap.makeRoomFor(3, 20)).toBe(false)
    expect(gap.makeRoomFor(3, 30)).toBe(true)
    expect(gap.count).toBe(5)
    expect(gap.position(3)).toBe(30)
    expect(() => gap.position(2)).toThrow('the entry is still in the gap')
    expect(() => gap.position(8)).toThrow('the entry is still in the gap')
  })

  test('keeps leading back when its chunks are used again many times', () => {
    const gap = new Gap(16, 2)
    let newest = -1
    for (let i = 0; i < 1000; i++) {
      expect(gap.makeRoomFor(1, 10 * (i - 8))).toBe(true)
      newest = gap.push(10 * i, newest)
      if (i > 8) expect(gap.position(gap.previous(gap.previous(newest)))).toBe(10 * (i - 2))
    }
  })
})

describe('room in the gap', () => {
  test('is asked for again at the end of each chunk, so that what is written leaves in time', () => {
    const gap = new Gap(1024, 2)
    expect(gap.hasRoomFor(1)).toBe(false)
    expect(gap.makeRoomFor(1, 0)).toBe(true)
    for (let i = 0; i < 4; i++) {
      expect(gap.hasRoomFor(1)).toBe(true)
      gap.push(i, -1)
    }
    expect(gap.hasRoomFor(1)).toBe(false)
    expect(gap.makeRoomFor(1, 3)).toBe(true)
    expect(gap.count).toBe(1)
  })

  test('is made for a batch that fills several chunks', () => {
    const gap = new Gap(64, 2)
    expect(gap.makeRoomFor(50, 0)).toBe(true)
    for (let i = 0; i < 50; i++) gap.push(10 * i, i - 1)
    for (let i = 49; i > 0; i--) expect(gap.previous(i)).toBe(i - 1)
    expect(gap.makeRoomFor(15, 0)).toBe(false)
    expect(gap.makeRoomFor(15, 10)).toBe(true)
  })
})

describe('the topic table', () => {
  const find = (table: TopicTable, name: string): string | undefined => {
    const bytes = encodeText(`..${name}..`)
    return table.find(bytes, 2, bytes.length - 4)?.name
  }

  test('finds each of many topics by its bytes, deleted ones no more', () => {
    const table = new TopicTable()
    const names = Array.from({ length: 5000 }, (_, i) => `topic-${i}`)
    for (const name of names) expect(table.open(name)).toBe(table.open(name))
    for (const name of names) expect(find(table, name)).toBe(name)
    expect(find(table, 'topic-')).toBeUndefined()
    expect(find(table, 'topic-50000')).toBeUndefined()
    for (const name of names.slice(0, 2500)) expect(table.delete(name)?.name).toBe(name)
    expect(table.delete('topic-0')).toBeUndefined()
    for (const [i, name] of names.entries()) expect(find(table, name)).toBe(i < 2500 ? undefined : name)
    expect([...table.all()]).toHaveLength(2500)
  })

  test('does not answer with the last topic when that has been deleted', () => {
    const table = new TopicTable()
    table.open('a')
    expect(find(table, 'a')).toBe('a')
    table.delete('a')
    expect(find(table, 'a')).toBeUndefined()
  })
})

describe('the offset by time', () => {
  const random = seededRandom(17)

  test.each([0, 1, 2, 3, 10, 33])('is what a walk over all %d messages finds', async count => {
    for (let round = 0; round < 20; round++) {
      const min = random.below(1000)
      let ms = 0
      const times = Array.from({ length: count }, () => {
        ms += random.below(3)
        return ms
      })
      const storedAt = async (offset: number): Promise<number> => times[offset - min]!
      for (let timeMs = -1; timeMs <= ms + 1; timeMs++) {
        const query = { min, max: min + count, timeMs, storedAt }
        const later = times.findIndex(time => time >= timeMs)
        expect(await offsetByTime({ ...query, boundary: 'lower' })).toBe(later === -1 ? min + count : min + later)
        const earlier = times.findLastIndex(time => time <= timeMs)
        expect(await offsetByTime({ ...query, boundary: 'upper' })).toBe(earlier === -1 ? min : min + earlier)
      }
    }
  })
})

describe('the queue stage', () => {
  const ENTRIES = 100

  function stage(): {
    stage: QueueStage
    queue: (id: number, from?: number) => StagedQueue
    files: FaultyFiles
    counts: QueueCounts
    clock: SettableClock
    entries: (id: number, base?: number) => number[]
  } {
    const files = new FaultyFiles(new SimulatedDisk())
    const counts = QueueCounts.sized(400)
    const clock = new SettableClock()
    const queueFiles = new QueueFiles(files, { directory: '/s', queueFileEntries: ENTRIES, mode: 'write', openMax: 16 })
    return {
      stage: new QueueStage(queueFiles, counts, clock, { queueFileEntries: ENTRIES, stagedCountMax: 1000 }),
      queue: (id, from = 0) => newStagedQueue('t', id, id, from),
      files,
      counts,
      clock,
      entries: (id, base = 0) => {
        const file = files.open(`/s/consumequeue/t/${id}/${String(base * 20).padStart(20, '0')}`, 'read')
        const bytes = Buffer.alloc(ENTRIES * 20)
        file.read(bytes, 0)
        return Array.from({ length: ENTRIES }, (_, i) =>
          bytes.readInt32BE(20 * i + 8) === 0 ? -1 : Number(bytes.readBigInt64BE(20 * i))
        )
      }
    }
  }

  test('writes entry n at byte 20 n, across the ends of files, and counts it only then', () => {
    const { stage: part, queue, counts, entries } = stage()
    const one = queue(1)
    for (let i = 0; i < 250; i++) part.add(one, 1000 * i, 100, i)
    expect(counts.written(1, 250)).toBeLessThan(250)
    part.writeAll()
    expect(counts.written(1, 250)).toBe(250)
    expect([...entries(1, 0), ...entries(1, 100), ...entries(1, 200).slice(0, 50)]).toEqual(
      Array.from({ length: 250 }, (_, i) => 1000 * i)
    )
    expect(entries(1, 200)[50]).toBe(-1)
  })

  test('never says that an entry is written which is staged', () => {
    const { stage: part, queue } = stage()
    const random = seededRandom(2)
    const queues = Array.from({ length: 20 }, (_, id) => queue(id))
    const positions = queues.map(() => [] as number[])
    for (let position = 0; position < 3000; position++) {
      const to = random.below(20)
      part.add(queues[to]!, position, 100, 0)
      positions[to]!.push(position)
      const staged = queues.flatMap((known, id) =>
        positions[id]!.slice(known.nextOffset - known.stagedCount, known.nextOffset)
      )
      expect(part.writtenUntil(position + 1)).toBe(Math.min(position + 1, ...staged))
    }
  })

  test('writes what has waited long enough, the oldest first, and says when the next is due', () => {
    const { stage: part, queue, counts, clock } = stage()
    const [first, second] = [queue(1), queue(2)]
    part.writeDue(0)
    part.add(first, 0, 100, 0)
    clock.advance(4)
    part.writeDue(100)
    part.add(second, 100, 100, 0)
    clock.advance(6)
    expect(part.writeDue(200)).toBe(4)
    expect([counts.written(1, 1), counts.written(2, 1)]).toEqual([1, 0])
    clock.advance(4)
    expect(part.writeDue(200)).toBe(Number.POSITIVE_INFINITY)
    expect(counts.written(2, 1)).toBe(1)
  })

  test('writes what is far behind however young it is, some queues in one go, and asks to be called again', () => {
    const { stage: part, queue, counts } = stage()
    const queues = Array.from({ length: 300 }, (_, id) => queue(id))
    for (const [id, one] of queues.entries()) part.add(one, id * 100, 100, 0)
    const written = () => queues.filter((_, id) => counts.written(id, 1) === 1).length
    expect(part.writeDue(GiB)).toBeGreaterThan(0)
    expect(written()).toBe(0)
    expect(part.writeDue(3 * GiB)).toBe(0)
    expect(written()).toBe(256)
    expect(part.writtenUntil(3 * GiB)).toBe(256 * 100)
    part.writeDue(3 * GiB)
    expect(written()).toBe(300)
  })

  test('writes what lies so many messages back however young it is', () => {
    const { stage: part, queue, counts } = stage()
    const [rare, busy] = [queue(1), queue(2)]
    part.add(rare, 0, 100, 0)
    for (let message = 1; message <= 1000; message++) {
      part.add(busy, 100 * message, 100, 0)
      part.writeDue(100 * message + 100)
      expect(counts.written(1, 1)).toBe(message < 1000 ? 0 : 1)
    }
  })

  test('changes nothing when the disk is full, and goes on where it stopped', () => {
    const { stage: part, queue, files, counts, entries } = stage()
    const one = queue(1)
    files.fail({ kind: 'write', errno: 'ENOSPC', forever: true })
    let added = 0
    expect(() => {
      for (; added < 1000; added++) part.add(one, added, 100, 0)
    }).toThrow(expect.objectContaining({ code: 'STORE_DISK_FULL' }))
    expect([one.nextOffset, counts.written(1, added)]).toEqual([added, 0])
    expect(() => part.add(one, added, 100, 0)).toThrow(expect.objectContaining({ code: 'STORE_DISK_FULL' }))
    files.heal()
    for (; added < 90; added++) part.add(one, added, 100, 0)
    part.writeAll()
    expect(entries(1).slice(0, 90)).toEqual(Array.from({ length: 90 }, (_, i) => i))
  })

  test('fills what is missing before an offset with entries that are passed over', () => {
    const { stage: part, queue, counts, entries } = stage()
    const one = queue(1)
    part.add(one, 5, 100, 0)
    part.skipTo(one, 3)
    part.add(one, 7, 100, 0)
    part.writeAll()
    expect(entries(1).slice(0, 5)).toEqual([5, 0, 0, 7, -1])
    const late = queue(2)
    part.skipTo(late, 250)
    part.add(late, 9, 100, 0)
    part.writeAll()
    expect(files200(entries(2, 200))).toEqual([0, 9, -1])
    expect([counts.written(1, 4), counts.written(2, 251)]).toEqual([4, 251])
  })

  /** Around entry 50 of a file, where the first message of a late queue stands. */
  const files200 = (entries: number[]): number[] => entries.slice(49, 52)

  test('drops what is staged for a queue that is forgotten', () => {
    const { stage: part, queue } = stage()
    const [one, two] = [queue(1), queue(2)]
    part.add(one, 0, 100, 0)
    part.add(two, 100, 100, 0)
    expect(part.writtenUntil(200)).toBe(0)
    part.forget(one)
    expect(part.writtenUntil(200)).toBe(100)
    part.forget(one)
    part.writeAll()
    expect(part.writtenUntil(200)).toBe(200)
  })
})

describe('queue files', () => {
  const ENTRIES = 100
  const OPEN_MAX = 16

  function queueFiles(): { files: FaultyFiles; open: QueueFiles } {
    const files = new FaultyFiles(new SimulatedDisk())
    return {
      files,
      open: new QueueFiles(files, { directory: '/s', queueFileEntries: ENTRIES, mode: 'write', openMax: OPEN_MAX })
    }
  }

  test('used in turns stay open, for the most part, when there are a few more than may be', () => {
    const { files, open } = queueFiles()
    const turns = 40
    const queues = OPEN_MAX + 1
    let opened = 0
    for (let turn = 0; turn < turns; turn++) {
      if (turn === 1) opened = files.count('open')
      for (let queueId = 0; queueId < queues; queueId++) open.find('t', queueId, 0)
    }
    expect(files.count('open') - opened).toBeLessThan((turns - 1) * queues * 0.25)
  })

  test('are never more than may be open, whichever are asked for', () => {
    const { files, open } = queueFiles()
    const random = seededRandom(3)
    for (let queueId = 0; queueId < 100; queueId++) open.find('t', queueId, 0)
    open.close()
    const others = files.count('open') - files.count('close') // Those that were not there when they were first opened.
    for (let i = 0; i < 500; i++) {
      open.find('t', random.below(100), 0)
      expect(files.count('open') - files.count('close') - others).toBeLessThanOrEqual(OPEN_MAX)
    }
    open.close()
    expect(files.count('open') - files.count('close')).toBe(others)
  })

  test('that were found before are the same as long as they are open, and for their own entries', () => {
    const { open } = queueFiles()
    const first = open.find('t', 0, 0)
    expect(open.find('t', 0, ENTRIES - 1, first)).toBe(first)
    const second = open.find('t', 0, ENTRIES, first)
    expect(second).not.toBe(first)
    expect(second?.firstOffset).toBe(ENTRIES)
    open.close('/s/consumequeue/t')
    const again = open.find('t', 0, 0, first)
    expect(again).not.toBe(first)
    expect([first?.isOpen, second?.isOpen, again?.isOpen]).toEqual([false, false, true])
  })
})

describe('the files of queues that have changed', () => {
  function written(count: number): QueueFiles {
    const disk = new SimulatedDisk()
    const open = new QueueFiles(disk, { directory: '/s', queueFileEntries: 100, mode: 'write', openMax: 16 })
    for (let queueId = 0; queueId < count; queueId++) open.noteChange(open.find('t', queueId, 0)!)
    return open
  }
  const pathOf = (queueId: number): string => `/s/consumequeue/t/${queueId}/${'0'.repeat(20)}`

  test('are told once, also when they have been closed since', () => {
    const open = written(20)
    open.noteChange(open.find('t', 19, 0)!)
    open.noteChange(open.find('t', 0, 0)!)
    expect(open.takeChanged()).toEqual(Array.from({ length: 20 }, (_, queueId) => pathOf(queueId)))
    expect(open.takeChanged()).toEqual([])
    open.noteChange(open.find('t', 19, 0)!)
    expect(open.takeChanged()).toEqual([pathOf(19)])
  })

  test('are not named when they are many, until they are few again', () => {
    expect(written(64).takeChanged()).toHaveLength(64)
    const open = written(65)
    expect(open.takeChanged()).toBeUndefined()
    open.noteChange(open.find('t', 3, 0)!)
    expect(open.takeChanged()).toEqual([pathOf(3)])
  })
})

test('queues may have half of the files that the system lets a process open, within limits of its own', () => {
  expect([0, 2048, 20_000, 1_048_576, Number.POSITIVE_INFINITY].map(queueFilesOpenMax)).toEqual([
    1024, 1024, 10_000, 65_536, 65_536
  ])
  const told = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  expect(openFilesLimit()).toBe(told === 'unlimited' ? Number.POSITIVE_INFINITY : Number(told))
})
