/** Pulls that wait: who is woken by what, with which filter they look again, and when their time is up. */
import { describe, expect, test } from 'vitest'
import { PULL_FLAG, type PullRequest } from '../../src/broker/index.ts'
import type { Store } from '../../src/index.ts'
import {
  codeOf,
  type DataPath,
  draft,
  encodeBatch,
  GROUP,
  openDataPath,
  TestLink,
  TOPIC
} from '../support/data-path.ts'

const PATIENT: Partial<PullRequest> = { sysFlag: PULL_FLAG.hasSubscription | PULL_FLAG.maySuspend }
/** By the subscription of the group. */
const MEMBER: Partial<PullRequest> = { sysFlag: PULL_FLAG.maySuspend, subscriptionVersion: 1 }
const OF_QUEUE = { topic: TOPIC, group: GROUP, queueId: 0 }

const send = ({ sending }: DataPath, body = 'm', { tag = '', queueId = 0, topic = TOPIC } = {}) =>
  sending.send(draft(body, { queueId, topic, properties: tag === '' ? {} : { TAGS: tag } }))

/** With an empty topic: everything of it is waited for from offset 0. */
async function openEmpty(options: Parameters<typeof openDataPath>[0] = {}): Promise<DataPath> {
  const path = await openDataPath(options)
  send(path, 'makes the topic', { queueId: 3 })
  await path.turn()
  return path
}

describe('a pull that may wait', () => {
  test('is told of a message of its queue at the end of the turn that stored it', async () => {
    await using path = await openEmpty()
    const pulled = path.pull(PATIENT)
    await path.turn()
    expect(pulled.answer).toBeUndefined()
    send(path, 'now')
    expect(pulled.answer).toBeUndefined()
    await path.turn()
    expect(pulled.answer).toMatchObject({ status: 'FOUND', nextOffset: 1 })
    expect(pulled.bodies).toEqual(['now'])
    expect(path.longPolling.count).toBe(0)
  })

  test('is told once of all messages of a turn, and not again of later ones', async () => {
    await using path = await openEmpty()
    const pulled = path.pull(PATIENT)
    for (const body of ['a', 'b', 'c']) send(path, body)
    await path.turn()
    expect(pulled.bodies).toEqual(['a', 'b', 'c'])
    send(path, 'd')
    await path.turn()
    expect(pulled.answers).toHaveLength(1)
  })

  test('is not told of messages of other queues and topics', async () => {
    await using path = await openEmpty()
    const pulled = path.pull(PATIENT)
    send(path, 'm', { queueId: 1 })
    send(path, 'm', { topic: 'other' })
    await path.turn()
    expect(pulled.answer).toBeUndefined()
  })

  test('is told of a batch, and of what others than clients append', async () => {
    await using path = await openEmpty()
    const first = path.pull(PATIENT)
    const body = encodeBatch(
      ['a', 'b'].map(text => ({ flag: 0, body: Buffer.from(text), properties: new Uint8Array(0) }))
    )
    path.sending.send(draft(body, { isBatch: true }))
    await path.turn()
    expect(first.bodies).toEqual(['a', 'b'])
    const second = path.pull({ ...PATIENT, offset: 2 })
    path.appending.append({ topic: TOPIC, queueId: 0, body: Buffer.from('own') })
    await path.turn()
    expect(second.bodies).toEqual(['own'])
  })

  test('shares its queue with others: all are told', async () => {
    await using path = await openEmpty()
    const all = Array.from({ length: 50 }, () => path.pull({ ...PATIENT, link: new TestLink() }))
    send(path)
    await path.turn()
    expect(all.map(({ bodies }) => bodies)).toEqual(all.map(() => ['m']))
  })

  test.each<{ what: string; pull: Partial<PullRequest> }>([
    { what: 'without the flag', pull: { sysFlag: PULL_FLAG.hasSubscription } },
    { what: 'beyond the end', pull: { ...PATIENT, offset: 1 } },
    { what: 'when there is something', pull: { ...PATIENT, queueId: 3 } }
  ])('does not wait $what', async ({ pull }) => {
    await using path = await openEmpty()
    expect(path.pull(pull).answer).toBeDefined()
  })

  test('does not wait where as many wait as are allowed', async () => {
    await using path = await openEmpty({ config: { pullThreadPoolQueueCapacity: 2 } })
    const answers = [1, 2, 3].map(() => path.pull({ ...PATIENT, link: new TestLink() }).answer)
    expect(answers).toMatchObject([undefined, undefined, { status: 'NO_MATCHED_LOGIC_QUEUE', verdict: 'nothing' }])
  })

  test('keeps a copy of the request, which its owner uses again at once', async () => {
    await using path = await openEmpty()
    const request = path.request(PATIENT)
    const pulled = path.pullBy(request)
    Object.assign(request, { topic: 'other', offset: 77, queueId: 2 })
    send(path)
    await path.turn()
    expect(pulled.answer).toMatchObject({ status: 'FOUND', nextOffset: 1 })
  })

  test('commits its offset once, with the first look', async () => {
    await using path = await openEmpty()
    const sysFlag = PULL_FLAG.hasSubscription | PULL_FLAG.maySuspend | PULL_FLAG.commits
    send(path)
    path.pull({ sysFlag, offset: 1, commitOffset: 1 })
    const { offsets } = path.tables
    expect(offsets.find(OF_QUEUE)).toBe(1)
    offsets.commit(OF_QUEUE, 0)
    send(path)
    await path.turn()
    expect(path.longPolling.count).toBe(0)
    expect(offsets.find(OF_QUEUE)).toBe(0)
    expect(offsets.findPulled(OF_QUEUE)).toBe(2)
  })
})

describe('the time that a pull waits', () => {
  test.each([
    { given: 'what the client says', pull: { suspendTimeoutMs: 15_000 }, config: {}, ms: 15_000 },
    { given: 'another time', pull: { suspendTimeoutMs: 20_001 }, config: {}, ms: 20_001 },
    { given: 'an hour at most', pull: { suspendTimeoutMs: 2 ** 50 }, config: {}, ms: 3_600_000 },
    { given: 'a second where pulls do not wait long', pull: {}, config: { longPollingEnable: false }, ms: 1000 },
    {
      given: 'what is set there',
      pull: {},
      config: { longPollingEnable: false, shortPollingTimeMills: 300 },
      ms: 300
    }
  ])('is $given, to the millisecond', async ({ pull, config, ms }) => {
    await using path = await openEmpty({ config })
    send(path)
    const pulled = path.pull({ ...PATIENT, ...pull, offset: 1 })
    await path.advance(ms - 1)
    expect(pulled.answer).toBeUndefined()
    await path.advance(1)
    expect(pulled.answer).toMatchObject({ status: 'OFFSET_OVERFLOW_ONE', verdict: 'nothing', nextOffset: 1 })
    expect(path.longPolling.count).toBe(0)
  })

  test('below 0 is none', async () => {
    await using path = await openEmpty()
    const pulled = path.pull({ ...PATIENT, suspendTimeoutMs: -5 })
    await path.advance(0)
    expect(pulled.answer).toMatchObject({ verdict: 'nothing' })
  })

  test('is not begun anew by messages that its filter refuses', async () => {
    await using path = await openEmpty()
    const pulled = path.pull({ ...PATIENT, expression: 'a' })
    await path.advance(14_000)
    send(path, 'm', { tag: 'b' })
    await path.turn()
    await path.advance(999)
    expect(pulled.answer).toBeUndefined()
    await path.advance(1)
    expect(pulled.answer).toBeDefined()
  })
})

describe('a pull that waits with a filter', () => {
  test('is told of what its filter accepts, and of all of that', async () => {
    await using path = await openEmpty()
    const pulled = path.pull({ ...PATIENT, expression: 'a' })
    send(path, 'no', { tag: 'b' })
    await path.turn()
    expect(pulled.answer).toBeUndefined()
    send(path, 'no', { tag: 'b' })
    send(path, 'yes', { tag: 'a' })
    send(path, 'no', { tag: 'b' })
    await path.turn()
    expect(pulled.bodies).toEqual(['yes'])
    expect(pulled.answer).toMatchObject({ nextOffset: 4 })
  })

  test('need not look again at what was refused, once its time is up', async () => {
    await using path = await openEmpty()
    const pulled = path.pull({ ...PATIENT, expression: 'a' })
    for (let i = 0; i < 3; i++) send(path, 'no', { tag: 'b' })
    await path.turn()
    await path.advance(15_000)
    expect(pulled.answer).toMatchObject({ status: 'NO_MATCHED_MESSAGE', verdict: 'again', nextOffset: 3 })
  })

  test('looks at all of a flood, though only so many at once', async () => {
    await using path = await openEmpty({ config: { maxFilterMessageSize: 200 } })
    const pulled = path.pull({ ...PATIENT, expression: 'a', countMax: 1 })
    for (let i = 0; i < 95; i++) send(path, 'no', { tag: 'b' })
    send(path, 'yes', { tag: 'a' })
    await path.turn()
    await path.turn()
    expect(pulled.bodies).toEqual(['yes'])
    expect(pulled.answer).toMatchObject({ nextOffset: 96 })
  })

  test('looks again with the newest subscription of its group', async () => {
    await using path = await openEmpty()
    path.subscribe('a')
    const pulled = path.pull(MEMBER)
    path.subscribe('b', { version: 2 })
    send(path, 'no', { tag: 'a' })
    send(path, 'yes', { tag: 'b' })
    await path.turn()
    expect(pulled.bodies).toEqual(['yes'])
  })

  test('looks again at what an older subscription has refused', async () => {
    await using path = await openEmpty()
    path.subscribe('a')
    const pulled = path.pull(MEMBER)
    send(path, 'first', { tag: 'b' })
    await path.turn()
    path.subscribe('b', { version: 2 })
    send(path, 'second', { tag: 'b' })
    await path.turn()
    expect(pulled.bodies).toEqual(['first', 'second'])
  })
})

describe('what happens while a pull waits', () => {
  test('is noticed: all checks are made anew', async () => {
    await using path = await openEmpty()
    const pulled = path.pull(PATIENT)
    path.config.brokerPermission = 2
    send(path)
    await path.turn()
    expect(codeOf(pulled.answer)).toBe('PERMISSION_DENIED')
  })

  test('to its topic is told at once', async () => {
    await using path = await openEmpty()
    const pulled = path.pull(PATIENT)
    path.tables.topics.delete(TOPIC)
    path.longPolling.topicChanged(TOPIC)
    await path.turn()
    expect(codeOf(pulled.answer)).toBe('TOPIC_UNKNOWN')
  })

  test('to its connection ends it: nobody is told, nothing is kept', async () => {
    await using path = await openEmpty()
    const [gone, other] = [new TestLink(), new TestLink()]
    const pulls = [path.pull({ ...PATIENT, link: gone }), path.pull({ ...PATIENT, link: gone, queueId: 1 })]
    const stays = path.pull({ ...PATIENT, link: other })
    gone.close()
    path.longPolling.closed(gone.key)
    path.longPolling.closed(gone.key)
    expect(path.longPolling.count).toBe(1)
    send(path)
    await path.advance(15_000)
    expect(pulls.map(({ answer }) => answer)).toEqual([undefined, undefined])
    expect(stays.bodies).toEqual(['m'])
  })

  test('to its connection is respected although nobody has told of it yet', async () => {
    await using path = await openEmpty()
    const link = new TestLink()
    const [woken, late] = [path.pull({ ...PATIENT, link }), path.pull({ ...PATIENT, link, queueId: 1 })]
    link.close()
    send(path)
    await path.turn()
    await path.advance(15_000)
    expect([woken.answer, late.answer]).toEqual([undefined, undefined])
    expect(path.longPolling.count).toBe(0)
  })

  test('on its connection before it waits lets it not wait', async () => {
    await using path = await openEmpty()
    const link = new TestLink()
    link.close()
    path.pull({ ...PATIENT, link })
    expect(path.longPolling.count).toBe(0)
  })

  test('by an administrator who resets the group is told when its time is up', async () => {
    await using path = await openEmpty({ config: { useServerSideResetOffset: true } })
    send(path)
    const pulled = path.pull({ ...PATIENT, offset: 1 })
    path.tables.offsets.reset(OF_QUEUE, 0)
    await path.advance(15_000)
    expect(pulled.answer).toMatchObject({ status: 'OFFSET_RESET', nextOffset: 0 })
  })

  test('because of another that is told is taken well', async () => {
    await using path = await openEmpty()
    const link = new TestLink()
    const second = path.request({ ...PATIENT, link })
    const told: string[] = []
    path.pulling.pull(path.request(PATIENT), {
      found: () => {
        told.push('first')
        path.longPolling.closed(link.key)
      },
      refused: () => undefined
    })
    path.pulling.pull(second, { found: () => told.push('second'), refused: () => undefined })
    send(path)
    await path.turn()
    expect(told).toEqual(['first'])
  })
})

describe('with synchronous flush a pull that waits', () => {
  /** Nothing gets onto the disk before `release`. */
  function held() {
    const gates: (() => void)[] = []
    const around = (store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name === 'flushed') {
            return async (until?: number) => {
              await new Promise<void>(resolve => gates.push(resolve))
              await target.flushed(until)
            }
          }
          return typeof value === 'function' ? value.bind(target) : value
        }
      })
    return { around, release: () => gates.splice(0).forEach(open => void open()) }
  }

  test('is told of a message once it is on disk, and not before', async () => {
    const { around, release } = held()
    await using path = await openDataPath({ around, store: { flush: 'sync' } })
    send(path, 'old')
    await path.turn()
    release()
    await path.turn()
    const pulled = path.pull({ ...PATIENT, offset: 0, queueId: 1 })
    send(path, 'new', { queueId: 1 })
    await path.turn()
    expect(pulled.answer).toBeUndefined()
    release()
    await path.turn()
    expect(pulled.bodies).toEqual(['new'])
  })

  test('misses nothing that was stored before it began to wait, and came onto the disk after', async () => {
    await using path = await openDataPath({ store: { flush: 'sync' } })
    send(path)
    const pulled = path.pull(PATIENT)
    expect(pulled.answer).toBeUndefined()
    await path.turn()
    expect(pulled.bodies).toEqual(['m'])
  })
})
