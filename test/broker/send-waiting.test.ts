/** Sends that wait: for room in the store, which is flow control, and for the disk. */
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import type { DurableAnswer, SendDraft } from '../../src/broker/index.ts'
import type { Store } from '../../src/index.ts'
import { type DataPath, type DataPathOptions, draft, openDataPath, TOPIC } from '../support/data-path.ts'
import { textOf } from '../support/store-fixtures.ts'

/** A store that has room for so many messages, and hears of more. */
function tightStore() {
  const tight = { room: 0, bodyBytesMax: Number.POSITIVE_INFINITY }
  let waiting: { resolve: () => void; reject: (error: VarveError) => void }[] = []
  const around = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'append') {
          return (message: Parameters<Store['append']>[0]) => {
            if (tight.room === 0 || message.body.length > tight.bodyBytesMax) throw new VarveError('STORE_BUSY')
            tight.room--
            return target.append(message)
          }
        }
        if (name === 'writable') {
          return () => new Promise<void>((resolve, reject) => void waiting.push({ resolve, reject }))
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  const give = (room: number): void => {
    tight.room = room
    for (const { resolve } of waiting) resolve()
    waiting = []
  }
  const fail = (error: VarveError): void => {
    for (const { reject } of waiting) reject(error)
    waiting = []
  }
  return { around, give, fail, tight }
}

/** As the server does it: now if there is room, else later. Answers are offsets or errors. */
function sender({ sending }: DataPath) {
  const answers: unknown[] = []
  const send = (sent: SendDraft): void => {
    const place = answers.push(undefined) - 1
    const stored = sending.send(sent)
    if (stored === undefined)
      sending.sendLater(sent, outcome => {
        if (answers[place] !== undefined) throw new Error('it was answered twice')
        answers[place] = outcome instanceof VarveError ? outcome : outcome.queueOffset
      })
    else answers[place] = stored.queueOffset
  }
  return { answers, send }
}

const openTight = async (options: DataPathOptions = {}) => {
  const { around, ...tight } = tightStore()
  const path = await openDataPath({ ...options, around })
  return { path, ...tight, ...sender(path) }
}

const bodiesOf = async ({ store }: DataPath): Promise<string[]> =>
  (await store.read({ topic: TOPIC, queueId: 0, offset: 0 })).messages.map(({ body }) => textOf(body))

const TIMED_OUT = '[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while'

describe('a send without room', () => {
  test('waits and is stored once there is some', async () => {
    const { path, give, answers, send } = await openTight()
    await using _ = path
    send(draft('m'))
    expect([answers, path.sending.waitingCount]).toEqual([[undefined], 1])
    give(1)
    await path.turn()
    expect([answers, path.sending.waitingCount]).toEqual([[0], 0])
  })

  test('is not overtaken, not even when there is room again for those that come later', async () => {
    const { path, give, answers, send } = await openTight()
    await using _ = path
    for (const body of ['a', 'b', 'c']) send(draft(body))
    give(2)
    send(draft('d'))
    expect(answers).toEqual([undefined, undefined, undefined, undefined])
    await path.turn()
    expect(answers).toEqual([0, 1, undefined, undefined])
    give(9)
    await path.turn()
    send(draft('e'))
    await path.advance(1000)
    expect(answers).toEqual([0, 1, 2, 3, 4])
    expect(await bodiesOf(path)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('is not overtaken by a smaller one that would fit', async () => {
    const { path, give, tight, answers, send } = await openTight()
    await using _ = path
    send(draft('large'))
    send(draft('s'))
    tight.bodyBytesMax = 1
    give(9)
    await path.turn()
    expect(answers).toEqual([undefined, undefined])
    tight.bodyBytesMax = 9
    give(9)
    await path.turn()
    expect(await bodiesOf(path)).toEqual(['large', 's'])
  })

  test('is kept as it was, though its owner uses draft and buffers again', async () => {
    const { path, give, send } = await openTight()
    await using _ = path
    const reused = draft('first', { properties: { n: '1' } })
    send(reused)
    reused.body.fill(0)
    reused.properties.fill(0)
    reused.queueId = 3
    give(1)
    await path.turn()
    const { messages } = await path.store.read({ topic: TOPIC, queueId: 0, offset: 0 })
    expect(messages.map(({ body, properties }) => [textOf(body), properties.n])).toEqual([['first', '1']])
  })

  test('is refused after 200 ms, in the words that people look for', async () => {
    const { path, give, answers, send } = await openTight()
    await using _ = path
    send(draft('a'))
    await path.advance(50)
    send(draft('b'))
    await path.advance(149)
    expect(answers).toEqual([undefined, undefined])
    await path.advance(1)
    expect(answers[0]).toMatchObject({
      code: 'BROKER_BUSY',
      details: { reason: `${TIMED_OUT}, period in queue: 200ms, size of queue: 2` }
    })
    expect(answers[1]).toBeUndefined()
    give(1)
    await path.turn()
    expect(answers[1]).toBe(0)
    expect(await bodiesOf(path)).toEqual(['b'])
  })

  test('waits as long as is set, or for ever where failing fast is off', async () => {
    const { path, answers, send, give } = await openTight({ config: { waitTimeMillsInSendQueue: 1000 } })
    await using _ = path
    send(draft('a'))
    await path.advance(999)
    expect(answers).toEqual([undefined])
    await path.advance(1)
    expect(answers).toMatchObject([{ code: 'BROKER_BUSY' }])
    path.config.brokerFastFailureEnable = false
    send(draft('b'))
    await path.advance(3_600_000)
    expect(answers[1]).toBeUndefined()
    give(1)
    await path.turn()
    expect(answers[1]).toBe(0)
  })

  test('is refused at once where as many wait as may', async () => {
    const { path, answers, send } = await openTight({ config: { sendThreadPoolQueueCapacity: 2 } })
    await using _ = path
    for (const body of ['a', 'b', 'c']) send(draft(body))
    expect(answers).toMatchObject([
      undefined,
      undefined,
      {
        code: 'BROKER_BUSY',
        details: { reason: '[OVERLOAD]system busy, start flow control for a while', waiting: 2 }
      }
    ])
  })

  test('is refused at once where those that wait hold 128 MiB', async () => {
    const { path, answers, send } = await openTight()
    await using _ = path
    const large = draft(new Uint8Array(4_190_000))
    for (let i = 0; i < 40; i++) send(large)
    const refused = answers.filter(answer => answer !== undefined)
    expect(40 - refused.length).toBe(32)
    expect(refused[0]).toMatchObject({ code: 'BROKER_BUSY' })
  })

  test('is refused for what is wrong with it, and holds up nobody behind it', async () => {
    const { path, give, answers, send } = await openTight()
    await using _ = path
    for (const one of [draft('a'), draft('x', { topic: 'doomed' }), draft('b')]) send(one)
    path.tables.topics.delete('doomed')
    path.config.autoCreateTopicEnable = false
    give(9)
    await path.turn()
    expect(answers).toMatchObject([0, { code: 'TOPIC_UNKNOWN' }, 1])
    expect(path.sending.waitingCount).toBe(0)
  })

  test('is refused as unavailable when the store fails', async () => {
    const { path, fail, answers, send } = await openTight()
    await using _ = path
    for (const body of ['a', 'b']) send(draft(body))
    fail(new VarveError('STORE_POISONED'))
    await path.turn()
    const unavailable = { code: 'BROKER_UNAVAILABLE', details: { because: 'STORE_POISONED' } }
    expect(answers).toMatchObject([unavailable, unavailable])
    expect(path.sending.waitingCount).toBe(0)
  })

  test('is refused as unavailable when the broker stops', async () => {
    const { path, answers, send } = await openTight()
    send(draft('a'))
    await path[Symbol.asyncDispose]()
    expect(answers).toMatchObject([{ code: 'BROKER_UNAVAILABLE' }])
  })
})

/** Nothing comes onto the disk before it is let, and how often that was asked for, for how many. */
function slowDisk() {
  const asked: { until: number; callers: number }[] = []
  let gates: { resolve: () => void; reject: (error: VarveError) => void }[] = []
  const around = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'flushed') {
          return (until: number, callers: number) => {
            asked.push({ until, callers })
            return new Promise<void>((resolve, reject) => void gates.push({ resolve, reject }))
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  const flush = (): void => {
    for (const { resolve } of gates) resolve()
    gates = []
  }
  const fail = (error: VarveError): void => {
    for (const { reject } of gates) reject(error)
    gates = []
  }
  return { around, asked, flush, fail }
}

class Told implements DurableAnswer {
  readonly outcomes: unknown[] = []

  durable(outcome: boolean | Error): void {
    this.outcomes.push(outcome)
  }
}

describe('a message that waits for the disk', () => {
  const open = async (config: DataPathOptions['config'] = {}) => {
    const { around, ...disk } = slowDisk()
    const path = await openDataPath({ around, config })
    const wait = (until: number): Told => {
      const told = new Told()
      path.sending.durable(until, told)
      return told
    }
    return { path, wait, ...disk }
  }

  test('is answered once it is there, not before and not within the call', async () => {
    const { path, wait, flush } = await open()
    await using _ = path
    const told = wait(100)
    expect(told.outcomes).toEqual([])
    await path.turn()
    expect(told.outcomes).toEqual([])
    flush()
    await path.turn()
    expect(told.outcomes).toEqual([true])
  })

  test('shares one question with all that began to wait with it, up to the last of them', async () => {
    const { path, wait, flush, asked } = await open()
    await using _ = path
    const together = [100, 300, 200].map(wait)
    await path.turn()
    const later = wait(400)
    await path.turn()
    expect(asked).toEqual([
      { until: 300, callers: 3 },
      { until: 400, callers: 1 }
    ])
    flush()
    await path.turn()
    expect([...together, later].map(({ outcomes }) => outcomes)).toEqual([[true], [true], [true], [true]])
  })

  test('shares it also with those of other connections, to which the event loop comes in the same turn', async () => {
    const { path, wait, asked } = await open()
    await using _ = path
    wait(100)
    await Promise.resolve() // Microtasks run between the callbacks of two connections.
    wait(200)
    await path.turn()
    expect(asked).toEqual([{ until: 200, callers: 2 }])
  })

  test('is answered after 5 s that it is not, and no second time when it is', async () => {
    const { path, wait, flush } = await open()
    await using _ = path
    const told = wait(100)
    await path.turn()
    await path.advance(4999)
    expect(told.outcomes).toEqual([])
    await path.advance(1)
    expect(told.outcomes).toEqual([false])
    flush()
    await path.turn()
    expect(told.outcomes).toEqual([false])
  })

  test('waits as long as is set', async () => {
    const { path, wait } = await open({ syncFlushTimeout: 20 })
    await using _ = path
    const told = wait(100)
    await path.turn()
    await path.advance(20)
    expect(told.outcomes).toEqual([false])
  })

  test('is answered as unavailable when the store fails', async () => {
    const { path, wait, fail } = await open()
    await using _ = path
    const told = wait(100)
    await path.turn()
    fail(new VarveError('STORE_POISONED'))
    await path.turn()
    await path.advance(5000)
    expect(told.outcomes).toMatchObject([{ code: 'BROKER_UNAVAILABLE', details: { because: 'STORE_POISONED' } }])
  })
})
