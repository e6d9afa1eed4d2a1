import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { openLog, systemClock, VarveError } from '../../src/base/index.ts'
import { resolveConfig } from '../../src/broker/index.ts'
import { openStore } from '../../src/embedded.ts'
import { REQUEST, RESPONSE } from '../../src/protocol/index.ts'
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
