import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { openLog, systemClock, VarveError } from '../../src/base/index.ts'
import { resolveConfig } from '../../src/broker/index.ts'
import { openStore } from '../../src/embedded.ts'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../src/protocol/index.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { ask, connectTo, send } from '../support/remoting-client.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { simulated } from '../support/store-fixtures.ts'

const running: RunningServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
})

interface Setup {
  readonly properties?: Record<string, string>
  readonly files?: FaultyFiles
  readonly beforeStore?: () => Promise<void>
}

/** Everything is free to choose its port, and the disk is simulated. */
function optionsFor({ properties = {}, files = new FaultyFiles(new SimulatedDisk()), beforeStore }: Setup): {
  options: ServerOptions
  logged: Record<string, string>[]
} {
  const logged: Record<string, string>[] = []
  const layer = {
    brokerName: 'main',
    listenPort: '0',
    varveNameServer: '127.0.0.1:0',
    varveHttp: '127.0.0.1:0',
    ...properties
  }
  const options: ServerOptions = {
    configuration: resolveConfig([{ origin: 'test', properties: layer }], systemClock),
    version: {},
    clock: systemClock,
    log: openLog({ sink: line => logged.push(JSON.parse(line)) }),
    async openStore({ storeHost }) {
      await beforeStore?.()
      const place = simulated(files)
      return { store: await openStore({ ...place, storeHost }), directory: place.directory, files }
    }
  }
  return { options, logged }
}

async function start(setup: Setup = {}): Promise<RunningServer> {
  const server = await startServer(optionsFor(setup).options)
  running.push(server)
  return server
}

const statusOf = async (address: string | undefined, path: string): Promise<number> =>
  (await fetch(`http://${address}${path}`)).status

const PARKED_PULL = {
  ...{ consumerGroup: 'g', topic: 'TBW102', queueId: 0, queueOffset: 0, maxMsgNums: 1, sysFlag: 6, commitOffset: 0 },
  ...{ suspendTimeoutMillis: 60_000, subscription: '*', subVersion: 0, expressionType: 'TAG' }
}

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

describe('a server that starts', () => {
  test('says over HTTP that it recovers, until its store is open', async () => {
    let opened: () => void = () => {}
    const storeOpens = new Promise<void>(resolve => {
      opened = resolve
    })
    let asked: () => void = () => {}
    const storeIsWanted = new Promise<void>(resolve => {
      asked = resolve
    })
    const { options, logged } = optionsFor({
      beforeStore: () => {
        asked()
        return storeOpens
      }
    })
    const starting = startServer(options)
    await storeIsWanted
    const address = logged.find(({ event }) => event === 'http listens')?.address

    expect([await statusOf(address, '/healthz'), await statusOf(address, '/readyz')]).toEqual([200, 503])
    opened()
    running.push(await starting)
    expect(await statusOf(address, '/readyz')).toBe(200)
  })

  test('and cannot have one of its ports leaves the others free and no store open', async () => {
    const first = await start()
    const taken = first.addresses.nameServer as string
    let isAsked = false
    const { options } = optionsFor({
      properties: { varveNameServer: taken },
      beforeStore: async () => {
        isAsked = true
      }
    })

    await expect(startServer(options)).rejects.toMatchObject({ code: 'PORT_TAKEN' })

    expect(isAsked).toBe(false)
  })

  test('and whose store does not open lets go of its ports', async () => {
    const { options, logged } = optionsFor({
      beforeStore: () => Promise.reject(new VarveError('STORE_DISK_FULL'))
    })

    await expect(startServer(options)).rejects.toMatchObject({ code: 'STORE_DISK_FULL' })

    const port = Number(logged.find(({ event }) => event === 'http listens')?.address?.split(':')[1])
    const server = createServer().listen(port, '127.0.0.1')
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
    server.close()
  })
})

describe('a server that serves', () => {
  test.each<{ properties: Record<string, string>; says: string | undefined }>([
    {
      properties: { brokerIP1: '10.0.0.9' },
      says: 'clients are told an address, but the broker listens on this machine alone'
    },
    { properties: { brokerIP1: '127.0.0.1' }, says: undefined },
    {
      properties: { brokerRole: 'SLAVE' },
      says: 'a slave takes nothing over from its master yet: it has what its store had'
    }
  ])('warns of what would surprise, with $properties', async ({ properties, says }) => {
    const { options, logged } = optionsFor({ properties })
    running.push(await startServer(options))
    expect(logged.filter(({ level }) => level === 'warn').map(({ event }) => event)).toEqual(
      says === undefined ? [] : [says]
    )
  })

  test('closes a connection without traffic after the time that is set', async () => {
    const server = await start({ properties: { serverChannelMaxIdleTimeSeconds: '1' } })
    const connection = await connectTo(server.addresses.broker)
    const startedMs = performance.now()
    await new Promise(resolve => connection.onClosed(resolve))
    expect(performance.now() - startedMs).toBeGreaterThan(900)
  })
})

describe('a server whose settings are changed', () => {
  const change = async (server: RunningServer, text: string) => {
    const connection = await connectTo(server.addresses.broker)
    const { code, remark } = await connection.call(
      REQUEST.UPDATE_BROKER_CONFIG,
      {},
      { body: Buffer.from(text), timeoutMs: 10_000 }
    )
    connection.close('done')
    return { code, remark }
  }

  test('registers with the name servers that it is told, and leaves those that it had', async () => {
    const [first, second] = [await start(), await start({ properties: { brokerName: 'second' } })]
    const [from, to] = [first.addresses.nameServer as string, second.addresses.nameServer as string]
    const other = await start({ properties: { namesrvAddr: from, varveNameServer: 'off', brokerName: 'other' } })
    const [left, joined] = [await connectTo(from), await connectTo(to)]
    const knows = async (routes: RemotingConnection): Promise<boolean> =>
      Buffer.from((await ask(routes, REQUEST.GET_BROKER_CLUSTER_INFO, {})).body).includes('"other"')
    while (!(await knows(left))) await nextTurn()

    expect(await change(other, `namesrvAddr=${to}\n`)).toMatchObject({ code: RESPONSE.SUCCESS })

    while (!(await knows(joined)) || (await knows(left))) await nextTurn()
    left.close('done')
    joined.close('done')
  })

  test.each([
    { change: 'namesrvAddr=somewhere:else', says: /namesrvAddr.*HOST:PORT/ },
    { change: 'messageDelayLevel=1s soon', says: /messageDelayLevel.*soon/ },
    { change: 'deleteWhen=25', says: /deleteWhen.*0 to 23/ },
    { change: 'mappedFileSizeCommitLog=70000', says: /mappedFileSizeCommitLog.*4096/ },
    { change: 'storePathCommitLog=/elsewhere', says: /storePathCommitLog.*below storePathRootDir/ },
    { change: 'bindAddress=0.0.0.0', says: /ADDRESS_INSECURE/ },
    { change: 'varveInsecure=true', says: /PERMISSION_DENIED.*varveInsecure/ }
  ])(
    'refuses what would keep it from its next start, or open it to others: $change',
    async ({ change: text, says }) => {
      const server = await start()
      const { code, remark } = await change(server, `regionId=changed\n${text}\n`)
      expect(code).not.toBe(RESPONSE.SUCCESS)
      expect(remark).toMatch(says)
      const [name = ''] = text.split('=')
      const connection = await connectTo(server.addresses.broker)
      const config = Buffer.from((await ask(connection, REQUEST.GET_BROKER_CONFIG, {})).body).toString()
      connection.close('done')
      expect(config).toContain('regionId=DefaultRegion\n')
      expect(config).not.toContain(`${text}\n`)
      expect(config).toContain(`${name}=`)
    }
  )
})

describe('a server whose disk fails', () => {
  test('is neither alive nor ready, says why, and refuses to store', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    const server = await start({ files, properties: { autoCreateTopicEnable: 'true' } })
    const { broker, http } = server.addresses
    const connection = await connectTo(broker)
    expect(await send(connection, 'orders', 'book')).toMatchObject({ code: RESPONSE.SUCCESS })
    files.fail({ kind: 'sync', errno: 'EIO', forever: true, path: /commitlog/ })

    await server.storeHere.store.flushed().catch(() => undefined)

    expect([await statusOf(http, '/healthz'), await statusOf(http, '/readyz')]).toEqual([503, 503])
    expect(await (await fetch(`http://${http}/healthz`)).text()).toContain('STORE_SYNC_FAILED')
    expect(await (await fetch(`http://${http}/metrics`)).text()).toMatch(/^varve_store_poisoned\{.*\} 1$/m)
    expect(await send(connection, 'orders', 'lamp')).toMatchObject({ code: RESPONSE.SERVICE_NOT_AVAILABLE })
    connection.close('done')
  })
})

describe('a server that stops', () => {
  test('says so, closes what is open, and does it once', async () => {
    const server = await start()
    const connection = await connectTo(server.addresses.broker)
    const closed = new Promise(resolve => connection.onClosed(resolve))

    const closing = server.close()

    expect(server.health.reasons()).toContain('stopping')
    expect(server.close()).toBe(closing)
    await closing
    await closed
    await expect(connectTo(server.addresses.broker)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(server.storeHere.store.info().state).toBe('closed')
  })

  test('ends in time, whoever hangs: a name server, a client that does not read, one that waits, one of HTTP', async () => {
    const silent = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1')
    const sockets: Socket[] = []
    await once(silent, 'listening')
    const namesrvAddr = `127.0.0.1:${(silent.address() as AddressInfo).port}`
    const server = await start({ properties: { namesrvAddr, varveNameServer: '127.0.0.1:0' } })
    const parked = await connectTo(server.addresses.broker)
    const waiting = parked.call(REQUEST.PULL_MESSAGE, PARKED_PULL, { timeoutMs: 60_000 }).catch(() => undefined)
    for (const address of [server.addresses.broker, server.addresses.http as string]) {
      const [host = '', port = ''] = address.split(':')
      const socket = connect({ host, port: Number(port), allowHalfOpen: true }).on('error', () => undefined)
      await once(socket, 'connect')
      sockets.push(socket.pause())
    }
    while (sockets.length < 3) await nextTurn() // The name server has been asked, and says nothing.
    const startedMs = performance.now()

    await server.close()

    expect(performance.now() - startedMs).toBeLessThan(9000)
    expect(server.storeHere.store.info().state).toBe('closed')
    await waiting
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test('leaves the routes of every name server that it was in', async () => {
    const withRoutes = await start()
    const namesrvAddr = withRoutes.addresses.nameServer as string
    const other = await start({ properties: { namesrvAddr, varveNameServer: 'off', brokerName: 'other' } })
    const routes = await connectTo(namesrvAddr)
    const brokers = async (): Promise<string> =>
      Buffer.from((await ask(routes, REQUEST.GET_BROKER_CLUSTER_INFO, {})).body).toString()
    while (!(await brokers()).includes('"other"')) await nextTurn()

    await other.close()

    while ((await brokers()).includes('"other"')) await nextTurn()
    expect(await brokers()).toContain('"main"')
    routes.close('done')
  })
})
