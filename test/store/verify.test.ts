import { appendFileSync, cpSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/index.ts'
import { applyRepair, openRealFiles, verifyStore } from '../../src/store/index.ts'
import { hashSegment, Seals } from '../../src/store/sidecar.ts'
import { type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import {
  bodyOf,
  errorOf,
  fill,
  freshDirectory,
  mappers,
  message,
  openSmall,
  patch,
  QUEUE,
  SEGMENT_BYTES
} from '../support/store-fixtures.ts'
import { unpackedGoldenStore } from '../support/unpacked-golden-store.ts'

const files = openRealFiles()
const FIRST_SEGMENT = 'commitlog/00000000000000000000'
const FIRST_QUEUE_FILE = 'consumequeue/orders/0/00000000000000000000'
const MESSAGES = 100

/** Three segments, seven queue files, two index files; closed cleanly. */
async function closedStore(): Promise<{ directory: string; positions: number[] }> {
  const directory = freshDirectory()
  const store = await openSmall({ directory })
  const positions: number[] = []
  for (let i = 0; i < MESSAGES; i++) {
    const { physicalOffset } = store.append(message(bodyOf(i), { keys: `k${i}`, tag: i % 2 === 0 ? 'even' : 'odd' }))
    positions.push(physicalOffset)
  }
  await store.close()
  return { directory, positions }
}

/** One segment, one index file; as it was while it was open. */
async function crashedStore(): Promise<{ directory: string; newestIndexFile: string }> {
  const live = freshDirectory()
  await using store = await openSmall({ directory: live })
  for (let i = 0; i < 20; i++) store.append(message(bodyOf(i), { keys: `k${i}` }))
  await store.flushed()
  const directory = join(freshDirectory(), 'crashed')
  cpSync(live, directory, { recursive: true })
  const newest = readdirSync(join(directory, 'index')).at(-1) as string
  return { directory, newestIndexFile: join(directory, 'index', newest) }
}

const verify = (directory: string, more: { quick?: boolean } = {}) => verifyStore(files, { directory, ...more })
const invert = (bytes: Buffer): void => {
  for (const [i, byte] of bytes.entries()) bytes[i] = byte ^ 0xff
}

describe('verifying a store in order', () => {
  test.each(mappers)('through %s files finds nothing and counts everything', async mapper => {
    const { directory, positions } = await closedStore()

    const report = await verifyStore(openRealFiles({ mapper }), { directory })

    expect(report).toMatchObject({
      condition: 'clean',
      segmentCount: 3,
      recordCount: MESSAGES,
      queueCount: 1,
      entryCount: MESSAGES,
      indexItemCount: 2 * MESSAGES, // A key and a tag each.
      tornTailBytes: 0,
      pendingCount: 0,
      orphanCount: 0,
      damage: [],
      damageCount: 0,
      notes: []
    })
    expect(report.logEnd).toBeGreaterThan(positions.at(-1) as number)
  })

  test.each<GoldenCase>(['plain', 'checksum'])(
    'that Apache RocketMQ wrote (%s) finds out its sizes and no damage',
    async name => {
      const { listing } = goldenStore(name)
      const directory = unpackedGoldenStore(name)

      const report = await verify(directory)

      expect(report).toMatchObject({
        condition: 'foreign',
        recordCount: listing.messages.length,
        entryCount: listing.queues.reduce((count, queue) => count + queue.physicalOffsets.length, 0),
        damage: [],
        notes: []
      })
      expect(report.indexItemCount).toBeGreaterThan(0)
    }
  )

  test('that somebody has open looks at what was settled before, and says so', async () => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory })
    fill(store, MESSAGES)

    const report = await verify(directory)

    expect(report).toMatchObject({ condition: 'running', damage: [] })
    expect(report.notes.join()).toContain('open in another process')
  })

  test('counts the messages of a topic that was deleted, and made again, as nobody’s', async () => {
    const directory = freshDirectory()
    const store = await openSmall({ directory })
    fill(store, 5)
    fill(store, 7, { queue: { topic: 'gone', queueId: 1 } })
    await store.deleteTopic('orders')
    await store.deleteTopic('gone')
    fill(store, 3)
    await store.close()

    const expected = { recordCount: 15, orphanCount: 12, damage: [] }
    expect(await verify(directory)).toMatchObject({ ...expected, unmarkedCount: 0 })
    rmSync(join(directory, 'varve', 'deleted'))
    expect(await verify(directory)).toMatchObject({ ...expected, unmarkedCount: 12 })
  })

  test('that crashed is no damage: a torn tail and messages that wait for their queues', async () => {
    const directory = freshDirectory()
    const store = await openSmall({ directory })
    fill(store, 20)
    const last = store.append(message('last', { keys: 'last' }))
    const crashed = join(freshDirectory(), 'crashed')
    cpSync(directory, crashed, { recursive: true })
    await store.close()
    patch(join(crashed, FIRST_SEGMENT), last.physicalOffset + last.sizeBytes - 4, invert, 1)
    patch(join(crashed, FIRST_SEGMENT), last.physicalOffset, invert, 4)

    const report = await verify(crashed)

    expect(report).toMatchObject({ condition: 'foreign-crashed', damage: [], logEnd: last.physicalOffset })
    expect(report.tornTailBytes).toBe(last.sizeBytes)
  })

  test('that crashed is no damage either: a newest index file that was never used', async () => {
    const { directory, newestIndexFile } = await crashedStore()
    truncateSync(newestIndexFile, 0)
    expect((await verify(directory)).damage).toEqual([])
  })
})

describe('verifying finds', () => {
  test('a flipped bit in a body: which message it was', async () => {
    const { directory, positions } = await closedStore()
    const at = positions[10] as number
    patch(join(directory, FIRST_SEGMENT), at + 100, bytes => bytes.writeUInt8(bytes.readUInt8() ^ 1))

    const { damage, damageCount } = await verify(directory)

    expect(damageCount).toBe(1)
    expect(damage).toMatchObject([
      { kind: 'record', from: at, until: positions[11], ...QUEUE, queueOffset: 10, derived: false, count: 1 }
    ])
  })

  test('a destroyed head: the range of the log, and the message that the queue knows was there', async () => {
    const { directory, positions } = await closedStore()
    const [at, next] = [positions[10] as number, positions[11] as number]
    patch(join(directory, FIRST_SEGMENT), at, invert, 40)

    const { damage } = await verify(directory)

    expect(damage).toContainEqual(expect.objectContaining({ kind: 'log', from: at, until: next, derived: false }))
    expect(damage).toContainEqual(expect.objectContaining({ kind: 'queue-entry', from: at, ...QUEUE, queueOffset: 10 }))
  })

  test('the destroyed end of a log that was closed', async () => {
    const { directory, positions } = await closedStore()
    const at = positions.at(-1) as number
    const segment = readdirSync(join(directory, 'commitlog')).at(-1) as string
    patch(join(directory, 'commitlog', segment), at % SEGMENT_BYTES, invert, 40)

    const { damage, logEnd } = await verify(directory)

    expect(damage).toContainEqual(expect.objectContaining({ kind: 'log', from: at, until: logEnd }))
  })

  test('a segment that was cut: the file, and what it has lost', async () => {
    const { directory } = await closedStore()
    truncateSync(join(directory, FIRST_SEGMENT), 20_480)

    const { damage } = await verify(directory)

    expect(damage).toContainEqual(
      expect.objectContaining({ kind: 'segment-file', path: join(directory, FIRST_SEGMENT) })
    )
    expect(damage).toContainEqual(expect.objectContaining({ kind: 'log' }))
  })

  test.each([
    { what: 'an entry that points elsewhere', at: 5 * 20 + 7, offset: 5 },
    { what: 'an entry of another size', at: 6 * 20 + 11, offset: 6 },
    { what: 'an entry with another tag code', at: 7 * 20 + 19, offset: 7 }
  ])('$what', async ({ at, offset }) => {
    const { directory } = await closedStore()
    patch(join(directory, FIRST_QUEUE_FILE), at, invert)

    const { damage } = await verify(directory)

    expect(damage[0]).toMatchObject({ kind: 'queue-entry', ...QUEUE, queueOffset: offset, count: 1, derived: true })
  })

  test('an entry too many', async () => {
    const { directory, positions } = await closedStore()
    const last = readdirSync(join(directory, 'consumequeue/orders/0')).at(-1) as string
    const bytes = Buffer.alloc(20)
    bytes.writeBigInt64BE(BigInt(positions[3] as number))
    bytes.writeInt32BE(100, 8)
    patch(join(directory, 'consumequeue/orders/0', last), (MESSAGES % 16) * 20, into => bytes.copy(into), 20)

    const { damage } = await verify(directory)

    expect(damage).toMatchObject([{ kind: 'queue-entry', ...QUEUE, queueOffset: MESSAGES, from: positions[3] }])
  })

  test('a queue file that was cut: the file, and how many messages have no entry', async () => {
    const { directory } = await closedStore()
    truncateSync(join(directory, FIRST_QUEUE_FILE), 200)

    const { damage } = await verify(directory)

    expect(damage).toContainEqual(
      expect.objectContaining({ kind: 'queue-file', path: join(directory, FIRST_QUEUE_FILE) })
    )
    expect(damage).toContainEqual(expect.objectContaining({ kind: 'queue-entry', queueOffset: 10, count: 6 }))
  })

  test.each([
    ['in which the log ends', 1],
    ['of the log, all of them,', Number.POSITIVE_INFINITY]
  ])('that the files %s are missing, by the name of the first', async (_, count) => {
    const { directory } = await closedStore()
    expect((await verify(directory)).damage).toEqual([])
    const names = readdirSync(join(directory, 'commitlog')).sort()
    const missing = names.slice(-count)
    for (const name of missing) rmSync(join(directory, 'commitlog', name))

    const { damage } = await verify(directory)

    const path = join(directory, 'commitlog', missing[0] as string)
    expect(damage).toContainEqual(expect.objectContaining({ kind: 'segment-file', derived: false, path }))
  })

  test.each(['index', 'consumequeue'])('that all of %s/ is missing', async folder => {
    const { directory } = await closedStore()
    rmSync(join(directory, folder), { recursive: true })

    const { damageCount, damage } = await verify(directory)

    expect(damageCount).toBe(MESSAGES)
    expect(damage.every(({ derived }) => derived)).toBe(true)
  })

  test('an item of the index that points elsewhere, and a slot that has lost its chain', async () => {
    const { directory } = await closedStore()
    const name = readdirSync(join(directory, 'index'))[0] as string
    const slots = 40 + 4 * 16
    patch(join(directory, 'index', name), slots + 20 * 5 + 11, bytes => bytes.writeUInt8(bytes.readUInt8() ^ 1))
    patch(join(directory, 'index', name), 40, bytes => bytes.fill(0), 4 * 16)

    const { damage } = await verify(directory)

    const kinds = damage.map(({ kind }) => kind)
    expect(kinds).toContain('index')
    expect(kinds).toContain('index-file')
  })

  test('a newest index file that is too long after a crash, with which no store opens, and repair mends it', async () => {
    const { directory, newestIndexFile } = await crashedStore()
    appendFileSync(newestIndexFile, 'more')
    const open = (options: StoreOptions) => openSmall(options)
    expect((await errorOf(() => open({ directory })))?.code).toBe('STORE_LAYOUT_FOREIGN')

    const report = await verify(directory)

    expect(report.damage.map(({ kind, path }) => [kind, path])).toContainEqual(['index-file', newestIndexFile])
    await applyRepair(report, { files, sizes: {}, open })
    await using store = await open({ directory })
    expect(await store.messagesByKey({ topic: 'orders', key: 'k19' })).toHaveLength(1)
  })

  test.each([{ quick: true }, { quick: false }])('a sealed segment that has changed (%o)', async ({ quick }) => {
    const { directory } = await closedStore()
    const seals = new Seals(files, directory)
    for (const base of [0, SEGMENT_BYTES])
      seals.add({ base, usedBytes: SEGMENT_BYTES, hash: await hashSegment(files, directory, base, SEGMENT_BYTES) })
    seals.close()
    expect(await verify(directory, { quick })).toMatchObject({ sealedCount: 2, damage: [] })
    // Behind the blank that closes the segment: nothing but the seal covers it.
    patch(join(directory, FIRST_SEGMENT), SEGMENT_BYTES - 1, invert)

    const { damage } = await verify(directory, { quick })

    expect(damage).toMatchObject([{ kind: 'seal', from: 0, until: SEGMENT_BYTES }])
  })
})

test('verifying changes no byte and no name', async () => {
  const { directory } = await closedStore()
  const before = snapshotOf(directory)

  await verify(directory)

  expect(snapshotOf(directory)).toEqual(before)
})

test('verifying a directory without a store says so', async () => {
  await expect(async () => verify(freshDirectory())).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
})

function snapshotOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => {
      const { sizeBytes, modifiedMs, inode } = files.find(path) ?? {}
      return `${path} ${sizeBytes} ${modifiedMs} ${inode}`
    })
    .sort()
}
