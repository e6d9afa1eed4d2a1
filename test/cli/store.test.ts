import { cpSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { goldenStore } from '../golden/golden-store.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { bodyOf, freshDirectory, message, namesIn, openSmall, patch, QUEUE } from '../support/store-fixtures.ts'
import { unpackedGoldenStore } from '../support/unpacked-golden-store.ts'
import { jsonLines, jsonOf, varve } from './varve.ts'

const SEGMENT = 'commitlog/00000000000000000000'
const QUEUE_FILE = 'consumequeue/orders/0/00000000000000000000'
const MESSAGES = 60

async function closedStore(): Promise<{ directory: string; positions: number[] }> {
  const directory = freshDirectory()
  const store = await openSmall({ directory })
  const positions = Array.from(
    { length: MESSAGES },
    (_, i) => store.append(message(bodyOf(i), { keys: `k${i}`, tag: 'paid' })).physicalOffset as number
  )
  await store.close()
  return { directory, positions }
}

/** The body of message 10. */
const flipBit = (directory: string, positions: readonly number[]): void =>
  patch(join(directory, SEGMENT), (positions[10] as number) + 200, bytes => bytes.writeUInt8(bytes.readUInt8() ^ 1))

const queueNames = async (directory: string): Promise<string[]> => {
  await using store = await openSmall({ directory })
  return await namesIn(store)
}

const allNames = Array.from({ length: MESSAGES }, (_, i) => `m${i}`)

describe('varve store info', () => {
  test('tells in words what is there', async () => {
    const { directory } = await closedStore()

    const { status, stdout, stderr } = await varve('store', 'info', directory)

    expect(status).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/condition +closed by Varve, untouched since/)
    expect(stdout).toMatch(/orders +0 +0 +60 +60/)
  })

  test('tells it as JSON too, while the store is open, and names who has it open', async () => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory })
    store.append(message('m0'))

    const info = jsonOf(await varve('store', 'info', directory, '--json'))

    expect(info).toMatchObject({ condition: 'running', holderPid: process.pid, log: { start: 0 } })
    expect(info).toHaveProperty('segments.0.base', 0)
    store.append(message('m1')) // Nothing was taken away from whoever writes.
  })
})

describe('varve store verify', () => {
  test('ends with 0 for a store in order', async () => {
    const { directory } = await closedStore()

    const run = await varve('store', 'verify', directory, '--json')

    expect(run.status).toBe(0)
    expect(jsonOf(run)).toMatchObject({ recordCount: MESSAGES, entryCount: MESSAGES, damage: [], damageCount: 0 })
  })

  test('ends with 3 for damage, and lists it with topic, queue and offset', async () => {
    const { directory, positions } = await closedStore()
    flipBit(directory, positions)

    const [words, json] = [
      await varve('store', 'verify', directory),
      await varve('store', 'verify', directory, '--json')
    ]

    expect(words.status).toBe(3)
    expect(words.stdout).toMatch(/record: .* topic orders queue 0, offset 10: the body does not match its checksum/)
    expect(json.status).toBe(3)
    expect(jsonOf(json)).toMatchObject({ damageCount: 1, damage: [{ kind: 'record', ...QUEUE, queueOffset: 10 }] })
  })

  test('with --quick looks at seals only, and says what has none', async () => {
    const { directory, positions } = await closedStore()
    flipBit(directory, positions)

    const { status, stdout } = await varve('store', 'verify', directory, '--quick')

    expect(status).toBe(0)
    expect(stdout).toContain('have no seal and were not read')
  })

  test('shows progress on stderr where it is asked for, and leaves stdout to the result', async () => {
    const { directory } = await closedStore()

    const run = await varve('store', 'verify', directory, '--json', '--progress')

    expect(run.stderr).toMatch(/^verifying .* of 128\.0 KiB/)
    expect(jsonOf(run)).toHaveProperty('damageCount', 0)
  })
})

describe('varve store dump', () => {
  test('prints messages of a queue, from an offset on, with bodies as asked', async () => {
    const { directory } = await closedStore()
    const where = ['store', 'dump', directory, '--topic', 'orders', '--queue', '0', '--from', '7', '--count', '2']

    const text = jsonLines(await varve(...where))
    const hex = jsonLines(await varve(...where, '--body', 'hex'))
    const none = jsonLines(await varve(...where, '--body', 'none'))

    expect(text).toMatchObject([
      { ...QUEUE, queueOffset: 7, body: bodyOf(7), keys: ['k7'], tag: 'paid' },
      { queueOffset: 8, body: bodyOf(8) }
    ])
    expect(hex[0]).toHaveProperty('body', Buffer.from(bodyOf(7)).toString('hex'))
    expect(none[0]).not.toHaveProperty('body')
  })

  test('tells damage in its place and ends with 3', async () => {
    const { directory, positions } = await closedStore()
    patch(join(directory, SEGMENT), positions[5] as number, bytes => bytes.fill(0xff), 40)

    const run = await varve('store', 'dump', directory, '--body', 'none')

    expect(run.status).toBe(3)
    const lines = jsonLines(run)
    expect(lines).toHaveLength(MESSAGES)
    expect(lines[5]).toMatchObject({ damaged: { from: positions[5], until: positions[6] } })
  })

  test.each([
    { structure: '--records', first: { queueOffset: 0, physicalOffset: 0 }, count: MESSAGES },
    { structure: '--consume-queue', first: { queueOffset: 0, physicalOffset: 0, isFiller: false }, count: MESSAGES },
    { structure: '--index', first: { type: 'file' }, count: 2 + 2 * MESSAGES },
    { structure: '--checkpoint', first: { masterFlushedOffset: 0 }, count: 1 },
    { structure: '--state', first: { condition: 'clean', damage: [] }, count: 1 }
  ])('prints what stands in the files: $structure', async ({ structure, first, count }) => {
    const { directory } = await closedStore()

    const run = await varve('store', 'dump', directory, structure)

    const lines = jsonLines(run)
    expect(run.status).toBe(0)
    expect(lines[0]).toMatchObject(first)
    expect(lines).toHaveLength(count)
  })
})

describe('varve store repair', () => {
  test('shows what it would do, and does nothing', async () => {
    const { directory } = await closedStore()
    truncateSync(join(directory, QUEUE_FILE), 200)

    const { status, stdout } = await varve('store', 'repair', directory)

    expect(status).toBe(3)
    expect(stdout).toContain('build queues and key index anew')
    expect(stdout).toContain('nothing was changed')
    expect(readFileSync(join(directory, QUEUE_FILE))).toHaveLength(200)
  })

  test('has nothing to do for a store in order', async () => {
    const { directory } = await closedStore()

    const run = await varve('store', 'repair', directory, '--apply', '--json')

    expect(run.status).toBe(0)
    expect(jsonOf(run)).toMatchObject({ steps: [], applied: false })
  })

  test.each([
    { what: 'a queue file that was cut', harm: (directory: string) => truncateSync(join(directory, QUEUE_FILE), 200) },
    {
      what: 'an entry that points elsewhere',
      harm: (directory: string) => patch(join(directory, QUEUE_FILE), 5 * 20 + 7, bytes => bytes.fill(9))
    },
    {
      what: 'an index that is gone',
      harm: (directory: string) => rmSync(join(directory, 'index'), { recursive: true })
    }
  ])('with --apply mends $what, and every message is there again', async ({ harm }) => {
    const { directory } = await closedStore()
    harm(directory)

    const run = await varve('store', 'repair', directory, '--apply', '--json')

    expect(jsonOf(run)).toMatchObject({ applied: true, damageCount: 0 })
    expect(run.status).toBe(0)
    expect(await queueNames(directory)).toEqual(allNames)
    await using store = await openSmall({ directory })
    expect(await store.messagesByKey({ topic: 'orders', key: 'k3' })).toHaveLength(1)
  })

  test('with --apply writes down damage of the log, and leaves the bytes where they are', async () => {
    const { directory, positions } = await closedStore()
    flipBit(directory, positions)
    const before = readFileSync(join(directory, SEGMENT))

    const run = await varve('store', 'repair', directory, '--apply', '--json')

    expect(run.status).toBe(3)
    expect(readFileSync(join(directory, SEGMENT)).equals(before)).toBe(true)
    const [state] = jsonLines(await varve('store', 'dump', directory, '--state'))
    expect(state).toMatchObject({ damage: [{ from: positions[10], until: positions[11] }] })
  })

  test('with --apply mends a store of Apache RocketMQ, of which a segment and a queue file were cut', async () => {
    const directory = unpackedGoldenStore('plain')
    const ends = goldenStore('plain').listing.messages.map(
      ({ physicalOffset, sizeBytes }) => physicalOffset + sizeBytes
    )
    const endOfKept = Math.max(...ends.filter(end => end <= 65_536 + 40_000))
    truncateSync(join(directory, 'commitlog/00000000000000065536'), 40_000)
    truncateSync(join(directory, QUEUE_FILE), 200)

    const run = await varve('store', 'repair', directory, '--apply', '--json')

    expect(jsonOf(run)).toMatchObject({
      steps: [{ action: 'lengthen-segment' }, { action: 'mark-damage' }, { action: 'rebuild' }],
      damage: [{ kind: 'log', from: endOfKept, until: 131_072 }]
    })
    const { queues } = jsonOf(await varve('store', 'info', directory, '--json')) as { queues: object[] }
    expect(queues).toContainEqual({ topic: 'late', queueId: 0, minOffset: 130, maxOffset: 132, fileCount: 1 })
    expect(queues).toContainEqual(expect.objectContaining({ topic: 'big', minOffset: 0, maxOffset: 12 }))
  })

  test('with --apply moves a torn tail into quarantine', async () => {
    const directory = freshDirectory()
    const crashed = join(freshDirectory(), 'crashed')
    const store = await openSmall({ directory, clock: new SettableClock() }) // Entries wait for their time, which never comes.
    store.append(message('m0 ', { keys: 'k0' }))
    const torn = store.append(message('torn', { keys: 'k1' }))
    cpSync(directory, crashed, { recursive: true })
    await store.close()
    patch(join(crashed, SEGMENT), torn.physicalOffset, bytes => bytes.fill(0xff), 20)

    const run = await varve('store', 'repair', crashed, '--apply', '--json')

    expect(run.status).toBe(0)
    expect(jsonOf(run)).toMatchObject({ steps: [{ action: 'cut-tail' }, { action: 'put-into-queues' }] })
    expect(readdirSync(join(crashed, 'varve/quarantine'))).toHaveLength(1)
    expect(await queueNames(crashed)).toEqual(['m0'])
  })
})

describe('varve store rebuild', () => {
  test.each([{ what: [] as string[] }, { what: ['--queues'] }, { what: ['--index'] }])(
    'brings back what is derived from the log ($what)',
    async ({ what }) => {
      const { directory } = await closedStore()
      if (!what.includes('--index')) patch(join(directory, QUEUE_FILE), 7, bytes => bytes.fill(9), 100)
      for (const name of readdirSync(join(directory, 'index')))
        patch(join(directory, 'index', name), 120, bytes => bytes.fill(9), 60)

      const run = await varve('store', 'rebuild', directory, '--json', ...what)

      expect(run.status).toBe(0)
      expect(jsonOf(run)).toHaveProperty('logBytes')
      expect(jsonOf(await varve('store', 'verify', directory, '--json'))).toMatchObject({ damage: [] })
      expect(await queueNames(directory)).toEqual(allNames)
    }
  )

  test('is refused while the store is open, naming who has it open', async () => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory })
    store.append(message('m0'))

    const { status, stdout, stderr } = await varve('store', 'rebuild', directory)

    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(new RegExp(`^varve: STORE_LOCKED: .*"holderPid":${process.pid}.*; stop the process`))
  })
})
