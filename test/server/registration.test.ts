import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Clock, minuteMs, openLog, secondMs, silentLog, VarveError } from '../../src/base/index.ts'
import { brokerConfig, saveHere, TopicTable, topicConfig } from '../../src/broker/index.ts'
import type { HostAddress } from '../../src/model/index.ts'
import { addressText, NameServer } from '../../src/nameserver/index.ts'
import {
  type CallOptions,
  connectRemoting,
  type FieldValues,
  listenRemoting,
  REQUEST,
  type RemotingAnswer,
  type RemotingConnection
} from '../../src/protocol/index.ts'
import {
  parseAddress,
  parseNameServers,
  Registration,
  type RegistrationOptions
} from '../../src/server/registration.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const CLOCK: Clock = { nowMs: () => 1_700_000_000_000, monotonicMs: () => 0 }
const FIRST: HostAddress = { address: '10.0.0.8', port: 9876 }
const SECOND: HostAddress = { address: '10.0.0.9', port: 9876 }

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Changes = Partial<Omit<RegistrationOptions, 'config'>> & { config?: Parameters<typeof brokerConfig>[0] }

function opened(changes: Changes = {}) {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/store/config')
  const config = brokerConfig({ brokerName: 'broker-a', ...changes.config })
  const topics = new TopicTable({
    directory: '/store',
    files: disk,
    save: saveHere(disk),
    clock: CLOCK,
    log: silentLog,
    config
  })
  const lines: string[] = []
  const registration = new Registration({
    topics,
    port: 10_911,
    haPort: 10_912,
    nameServers: [],
    clock: CLOCK,
    log: openLog({ sink: line => lines.push(line) }),
    ...changes,
    config
  })
  closing.push(() => registration.close())
  return { registration, topics, config, lines }
}

/** A name server as this side sees it: what it was asked, and what it answers. */
class FakeNameServer {
  readonly asked: { code: number; fields: FieldValues; body: Uint8Array | undefined }[] = []
  connectCount = 0
  isUp = true
  answer: (code: number, topics: string[]) => { code: number; body?: string } = () => ({ code: 0 })
  #drop: (reason: string) => void = () => undefined
  #hang: { readonly at: 'calls' | 'connecting'; readonly released: Promise<void> } | undefined
  release: () => void = () => undefined
  isConnected = false

  readonly connect = async ({ address, port }: HostAddress): Promise<RemotingConnection> => {
    this.connectCount++
    if (!this.isUp) throw new VarveError('PEER_UNREACHABLE', { host: address, port, errno: 'ECONNREFUSED' })
    if (this.#hang?.at === 'connecting') await this.#hang.released
    let isOpen = true
    this.isConnected = true
    const callbacks: ((reason: string) => void)[] = []
    this.#drop = reason => {
      isOpen = false
      this.isConnected = false
      for (const callback of callbacks) callback(reason)
    }
    const call = async (code: number, fields: FieldValues, { body }: CallOptions): Promise<RemotingAnswer> => {
      if (!this.isUp) throw new VarveError('PEER_TIMEOUT')
      this.asked.push({ code, fields, body })
      if (this.#hang?.at === 'calls') await this.#hang.released
      const answer = this.answer(code, topicsIn(body))
      return { code: answer.code, body: Buffer.from(answer.body ?? ''), remark: undefined } as unknown as RemotingAnswer
    }
    return {
      get isOpen() {
        return isOpen
      },
      local: { address: '10.0.0.1', port: 50_000 },
      call,
      close: (reason: string) => this.#drop(reason),
      onClosed: (callback: (reason: string) => void) => callbacks.push(callback)
    } as unknown as RemotingConnection
  }

  hangAtCalls(): void {
    this.#hangAt('calls')
  }

  hangAtConnecting(): void {
    this.#hangAt('connecting')
  }

  #hangAt(at: 'calls' | 'connecting'): void {
    const released = new Promise<void>(resolve => {
      this.release = resolve
    })
    this.#hang = { at, released }
  }

  goDown(): void {
    this.isUp = false
    this.#drop('the name server stopped')
  }

  /** Codes, with the number of topics of each registration. */
  get told(): string[] {
    return this.asked.map(({ code, body }) => `${code}: ${topicsIn(body).length}`)
  }
}

function topicsIn(body: Uint8Array | undefined): string[] {
  if (body === undefined) return []
  return Object.keys(JSON.parse(Buffer.from(body).toString()).topicConfigSerializeWrapper.topicConfigTable)
}

describe('a broker with name servers of other processes', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    closing.push(() => vi.useRealTimers())
  })

  function fake(changes: Changes = {}) {
    const server = new FakeNameServer()
    const world = opened({ nameServers: [FIRST], connect: server.connect, ...changes })
    return { server, all: world.topics.count, ...world }
  }

  test('tells all topics at the start, after ten seconds, then every half minute, over one connection', async () => {
    const { server, registration, all } = fake()
    await registration.start()
    expect(server.told).toEqual([`103: ${all}`])
    await vi.advanceTimersByTimeAsync(10 * secondMs)
    await vi.advanceTimersByTimeAsync(30 * secondMs)
    await vi.advanceTimersByTimeAsync(29 * secondMs)
    expect(server.told).toHaveLength(3)
    expect(server.connectCount).toBe(1)
  })

  test.each<{ asked: number; period: number }>([
    { asked: 1000, period: 10_000 },
    { asked: 600_000, period: 60_000 }
  ])('holds the period of $asked ms within limits: $period ms', async ({ asked, period }) => {
    const { server, registration } = fake({ config: { registerNameServerPeriod: asked } })
    await registration.start()
    await vi.advanceTimersByTimeAsync(10 * secondMs + period - 1)
    expect(server.told).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(server.told).toHaveLength(3)
  })

  test('says who it is: at the end of its own connection, or where it was told', async () => {
    const { server, registration } = fake()
    await registration.start()
    const [{ fields, body }] = server.asked as [(typeof server.asked)[number]]
    expect(fields).toEqual({
      clusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      brokerId: 0,
      brokerAddr: '10.0.0.1:10911',
      haServerAddr: '10.0.0.1:10912',
      compressed: false,
      bodyCrc32: crc32(body!) & 0x7fffffff,
      enableActingMaster: false
    })
    const told = fake({ advertised: { address: 'broker.example', port: 7777 }, config: { brokerIP2: '10.0.0.3' } })
    await told.registration.start()
    expect(told.server.asked[0]?.fields).toMatchObject({
      brokerAddr: 'broker.example:7777',
      haServerAddr: '10.0.0.3:10912'
    })
  })

  test('tells a topic that is new or has changed at once, and many of one moment in one request', async () => {
    const { server, registration, topics, all } = fake()
    await registration.start()
    topics.update(topicConfig('one'))
    topics.update(topicConfig('two'))
    topics.update(topicConfig('one', { perm: 4 }))
    await vi.advanceTimersByTimeAsync(0)
    expect(server.told).toEqual([`103: ${all}`, '103: 2'])
    const wrapper = JSON.parse(Buffer.from(server.asked[1]!.body!).toString()).topicConfigSerializeWrapper
    expect(wrapper.topicConfigTable.one).toMatchObject({ topicName: 'one', perm: 4, topicFilterType: 'SINGLE_TAG' })
    expect(wrapper.dataVersion).toEqual(topics.version)
  })

  test('names each version once: what changes while a request is under way is in the next', async () => {
    const { server, registration, topics } = fake()
    await registration.start()
    server.answer = (_code, names) => {
      if (names.includes('one')) topics.update(topicConfig('two'))
      return { code: 0 }
    }
    topics.update(topicConfig('one'))
    await vi.advanceTimersByTimeAsync(0)
    const versions = server.asked.map(
      ({ body }) => JSON.parse(Buffer.from(body!).toString()).topicConfigSerializeWrapper.dataVersion.counter
    )
    expect(server.asked.map(({ body }) => topicsIn(body)).slice(1)).toEqual([['one'], ['two']])
    expect(new Set(versions).size).toBe(versions.length)
  })

  test('tells everything when a single topic is refused: the name server has forgotten it', async () => {
    const { server, registration, topics, all } = fake()
    await registration.start()
    server.answer = (_code, names) => ({ code: names.length === 1 ? 1 : 0 })
    topics.update(topicConfig('one'))
    await vi.advanceTimersByTimeAsync(0)
    expect(server.told).toEqual([`103: ${all}`, '103: 1', `103: ${all + 1}`])
  })

  test('comes back after ever longer pauses, tells everything then, and logs each change once', async () => {
    const { server, registration, topics, lines, all } = fake()
    await registration.start()
    server.goDown()
    topics.update(topicConfig('one'))
    await vi.advanceTimersByTimeAsync(5 * minuteMs)
    const attempts = server.connectCount
    expect(attempts).toBeGreaterThan(10)
    expect(attempts).toBeLessThan(30)
    expect(registration.state()).toEqual([{ nameServer: '10.0.0.8:9876', isUp: false }])
    server.isUp = true
    await vi.advanceTimersByTimeAsync(30 * secondMs)
    expect(server.told[1]).toBe(`103: ${all + 1}`)
    expect(registration.state()).toEqual([{ nameServer: '10.0.0.8:9876', isUp: true }])
    expect(lines.map(line => JSON.parse(line).event)).toEqual([
      'registered with the name server',
      'not registered with the name server',
      'registered with the name server'
    ])
  })

  test('looks for a name server that has gone after one second', async () => {
    const { server, registration } = fake()
    await registration.start()
    server.goDown()
    server.isUp = true
    await vi.advanceTimersByTimeAsync(secondMs)
    expect([server.connectCount, server.told.length]).toEqual([2, 2])
  })

  test('goes on where a name server refuses all topics, and tries again', async () => {
    const { server, registration, lines } = fake()
    server.answer = () => ({ code: 1 })
    await registration.start()
    expect(lines.some(line => line.includes('NAME_SERVER_REFUSED'))).toBe(true)
    server.answer = () => ({ code: 0 })
    await vi.advanceTimersByTimeAsync(secondMs)
    expect(registration.state()).toMatchObject([{ isUp: true }])
  })

  test('registers with each, whatever the others do', async () => {
    const [first, second] = [new FakeNameServer(), new FakeNameServer()]
    first.isUp = false
    const { registration } = opened({
      nameServers: [FIRST, SECOND],
      connect: to => (to === FIRST ? first : second).connect(to)
    })
    await registration.start()
    expect(registration.state()).toEqual([
      { nameServer: '10.0.0.8:9876', isUp: false },
      { nameServer: '10.0.0.9:9876', isUp: true }
    ])
  })

  test('takes other name servers at run time, and leaves those that are not wanted any more', async () => {
    const [first, second] = [new FakeNameServer(), new FakeNameServer()]
    const { registration } = opened({
      nameServers: [FIRST],
      connect: to => (to === FIRST ? first : second).connect(to)
    })
    await registration.start()
    await registration.setNameServers([SECOND])
    expect(first.told.at(-1)).toBe('104: 0')
    expect(second.told).toHaveLength(1)
    await registration.setNameServers([SECOND])
    expect(second.connectCount).toBe(1)
  })

  test('takes itself out of the routes at its end, and is silent afterwards', async () => {
    const { server, registration, topics } = fake()
    await registration.start()
    await registration.close()
    expect(server.asked.at(-1)).toMatchObject({
      code: REQUEST.UNREGISTER_BROKER,
      fields: { brokerName: 'broker-a', brokerAddr: '10.0.0.1:10911', clusterName: 'DefaultCluster', brokerId: 0 }
    })
    const count = server.asked.length
    topics.update(topicConfig('late'))
    await vi.advanceTimersByTimeAsync(10 * minuteMs)
    expect(server.asked).toHaveLength(count)
  })

  test('does not hang at its end on a name server that is not there', async () => {
    const { server, registration } = fake()
    server.isUp = false
    await registration.start()
    await registration.close()
    expect(server.asked).toEqual([])
  })

  test.each<{ when: string; hang: (server: FakeNameServer) => void; told: number[] }>([
    { when: 'does not answer', hang: server => server.hangAtCalls(), told: [REQUEST.REGISTER_BROKER] },
    { when: 'does not accept', hang: server => server.hangAtConnecting(), told: [] }
  ])('does not hang at its end on a name server that $when, and is silent afterwards', async ({ hang, told }) => {
    const { server, registration } = fake()
    hang(server)
    void registration.start()
    await vi.advanceTimersByTimeAsync(secondMs)
    let isClosed = false
    const closed = registration.close().then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(2 * secondMs)
    expect(isClosed).toBe(true)
    server.release()
    await closed
    await vi.advanceTimersByTimeAsync(minuteMs)
    expect(server.asked.map(({ code }) => code)).toEqual(told)
    expect(server.isConnected).toBe(false)
  })

  test('marks topics that the name server lists as ordered', async () => {
    const { server, registration, topics } = fake()
    topics.update(topicConfig('one'))
    server.answer = () => ({ code: 0, body: '{"table":{"one":"broker-a:4","unknown":"x"}}' })
    await registration.start()
    expect(topics.find('one')?.isOrdered).toBe(true)
  })

  test('narrows permissions by that of the whole broker', async () => {
    const { server, registration } = fake({ config: { brokerPermission: 4 } })
    await registration.start()
    const perms = Object.values<{ perm: number }>(
      JSON.parse(Buffer.from(server.asked[0]!.body!).toString()).topicConfigSerializeWrapper.topicConfigTable
    ).map(({ perm }) => perm)
    expect(new Set(perms)).toEqual(new Set([0, 4]))
  })

  test('names another version when only its own permission has changed: else nobody would take it over', async () => {
    const { server, registration, config } = fake()
    await registration.start()
    Object.assign(config, { brokerPermission: 4 })
    await registration.registerAll()
    await registration.registerAll()
    const counters = server.asked.map(
      ({ body }) => JSON.parse(Buffer.from(body!).toString()).topicConfigSerializeWrapper.dataVersion.counter
    )
    expect(counters).toEqual([counters[0], counters[0] + 1, counters[0] + 1])
  })

  test('prints all topics once for each state of them', async () => {
    const { server, registration, topics } = fake()
    await registration.start()
    await registration.registerAll()
    expect(server.asked[1]?.body).toBe(server.asked[0]?.body)
    topics.update(topicConfig('one'))
    await registration.registerAll()
    expect(topicsIn(server.asked.at(-1)?.body)).toContain('one')
  })
})

describe('a broker with the name server of its own process, and with another of ours', () => {
  async function served() {
    const nameServer = new NameServer({ clock: CLOCK, log: silentLog, gateways: [] })
    const listener = await listenRemoting({
      host: '127.0.0.1',
      port: 0,
      onRequest: (request, connection) => nameServer.handle(request, connection),
      connectionsMax: 10,
      log: silentLog,
      clock: CLOCK
    })
    const { port } = listener.address
    const client = await connectRemoting({
      host: '127.0.0.1',
      port,
      connectTimeoutMs: 10_000,
      log: silentLog,
      clock: CLOCK
    })
    closing.push(
      () => nameServer.close(),
      () => listener.close({ drainMs: 0 }),
      () => client.close('the test ends')
    )
    const route = async (topic: string) => {
      const { code, body } = await client.call(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic }, { timeoutMs: 10_000 })
      return code === 0 ? JSON.parse(Buffer.from(body).toString()) : { code }
    }
    const addressOf = async (topic: string) => {
      const { code, brokerDatas } = await route(topic)
      return code ?? brokerDatas[0].brokerAddrs[0]
    }
    const permOf = async (topic: string) => (await route(topic)).queueDatas[0].perm
    return { nameServer, listener, addressOf, permOf }
  }

  test('is read only in both as soon as its own permission says so', async () => {
    const [own, other] = [await served(), await served()]
    const { registration, config } = opened({ here: own.nameServer, nameServers: [other.listener.address] })
    await registration.start()
    Object.assign(config, { brokerPermission: 4 })
    await registration.registerAll()
    expect([await own.permOf('BenchmarkTest'), await other.permOf('BenchmarkTest')]).toEqual([4, 4])
  })

  test('is found through both, with its new topics, until it ends', async () => {
    const [own, other] = [await served(), await served()]
    const { registration, topics } = opened({ here: own.nameServer, nameServers: [other.listener.address] })
    expect(await own.addressOf('TBW102')).toBe(17)
    topics.update(topicConfig('early'))
    await registration.start()
    expect([await own.addressOf('TBW102'), await other.addressOf('TBW102')]).toEqual([
      '127.0.0.1:10911',
      '127.0.0.1:10911'
    ])
    topics.update(topicConfig('new'))
    expect([await own.addressOf('early'), await own.addressOf('new')]).toEqual(['127.0.0.1:10911', '127.0.0.1:10911'])
    await expect.poll(() => other.addressOf('new')).toBe('127.0.0.1:10911')
    topics.delete('new')
    expect(await own.addressOf('new')).toBe(17)
    await registration.close()
    expect([await own.addressOf('early'), await other.addressOf('early')]).toEqual([17, 17])
  })
})

describe('addresses of name servers', () => {
  test.each<{ text: string; addresses: string[] }>([
    { text: '', addresses: [] },
    { text: '10.0.0.8:9876', addresses: ['10.0.0.8:9876'] },
    { text: ' ns1:1000 ; ns2 ;', addresses: ['ns1:1000', 'ns2:9876'] },
    { text: '[::1]:1000;[fe80::1]', addresses: ['[::1]:1000', '[fe80::1]:9876'] }
  ])('are read from $text', ({ text, addresses }) => {
    expect(parseNameServers(text).map(addressText)).toEqual(addresses)
  })

  test.each(['host:port', 'host:0', 'host:70000', '::1', ':9876', 'a b'])('are refused: %s', text => {
    expect(() => parseAddress(text, 9876, 'namesrvAddr')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})
