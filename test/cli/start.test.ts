import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { field, REQUEST, RESPONSE } from '../../src/protocol/index.ts'
import { ask, connectTo, send } from '../support/remoting-client.ts'
import { freshDirectory } from '../support/store-fixtures.ts'
import { jsonOf, MAIN, type RunningVarve, startVarve, varve } from './varve.ts'

const ANY = '127.0.0.1:0'
/** Small files, because a store of the usual size would take gibibytes of a test machine. */
const SMALL = [
  'mappedFileSizeCommitLog=1048576',
  'mappedFileSizeConsumeQueue=20000',
  'maxHashSlotNum=1000',
  'maxIndexNum=4000'
]

const running: RunningVarve[] = []
const servers: Server[] = []
afterEach(async () => {
  for (const broker of running.splice(0)) {
    broker.kill('SIGKILL')
    await broker.ended
  }
  for (const server of servers.splice(0)) server.close()
})

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

const argsFor = (directory: string, ...more: string[]): string[] => [
  'start',
  ...['--store', directory, '--listen', ANY, '--nameserver', ANY, '--http', ANY],
  ...SMALL.flatMap(pair => ['--set', pair]),
  ...more
]

function start(directory: string, ...more: string[]): RunningVarve {
  const broker = startVarve(argsFor(directory, '--json', ...more))
  running.push(broker)
  return broker
}

async function stop(broker: RunningVarve, signal: NodeJS.Signals = 'SIGTERM') {
  broker.kill(signal)
  return await broker.ended
}

/** Somebody else's port, and an address of ours that wants it. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function offsetOf(address: string, topic: string): Promise<number> {
  const connection = await connectTo(address)
  const answer = await ask(connection, REQUEST.GET_MAX_OFFSET, { topic, queueId: 0 })
  connection.close('done')
  return answer.long(field('offset'))
}

describe('varve start', () => {
  test('is ready when it has said its addresses, and accepts a message at each of its ports', async () => {
    const broker = start(join(freshDirectory(), 'data'))
    const { broker: main, vip, nameServer, http, pid } = (await broker.first) as Record<string, string>

    expect(Number(pid)).toBe(broker.pid)
    expect((await fetch(`http://${http}/readyz`)).status).toBe(200)
    for (const address of [main, vip] as string[]) {
      const connection = await connectTo(address)
      expect(await send(connection, 'orders', 'book')).toMatchObject({ code: RESPONSE.SUCCESS })
      connection.close('done')
    }
    const routes = await connectTo(nameServer as string)
    const route = await ask(routes, REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })
    routes.close('done')
    expect(Buffer.from(route.body).toString()).toContain(`"${main}"`)
    expect(await (await fetch(`http://${http}/metrics`)).text()).toMatch(
      /^rocketmq_messages_in_total\{cluster="DefaultCluster",.*topic="orders",message_type="normal",is_system="false"\} 2$/m
    )
  })

  test('has no port for VIP channels where that is off, and does without', async () => {
    const broker = start(join(freshDirectory(), 'data'), '--set', 'varveVip=false')
    const { broker: main, vip } = (await broker.first) as Record<string, string>
    expect(vip).toBeUndefined()
    const connection = await connectTo(main as string)
    expect(await send(connection, 'orders', 'book')).toMatchObject({ code: RESPONSE.SUCCESS })
    connection.close('done')
    expect((await stop(broker)).status).toBe(0)
  })

  test('says in words where everything is, how it was recovered, and what to try', async () => {
    const directory = join(freshDirectory(), 'data')
    const broker = startVarve(argsFor(directory))
    running.push(broker)
    await broker.firstLine

    const { status, stdout } = await stop(broker)

    expect(status).toBe(0)
    expect(stdout).toMatch(/^broker +127\.0\.0\.1:\d+, and 127\.0\.0\.1:\d+ for VIP channels$/m)
    expect(stdout).toMatch(/^name server +127\.0\.0\.1:\d+$/m)
    expect(stdout).toMatch(/^http +http:\/\/127\.0\.0\.1:\d+\/metrics/m)
    expect(stdout).toMatch(/^store +.*data \(new, mapped by [\w-]+\)$/m)
    expect(stdout).toMatch(/^flush +async: .* within 500 ms$/m)
    expect(stdout).toMatch(/^settings +.*mappedFileSizeCommitLog=1048576.*\(command line\)$/m)
    expect(stdout).toMatch(/^try: +mqadmin clusterList -n 127\.0\.0\.1:\d+/m)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('is stopped by %s: saves its tables and closes its store', async signal => {
    const directory = join(freshDirectory(), 'data')
    const broker = start(directory)
    const { broker: main } = await broker.first
    const connection = await connectTo(main as string)
    await send(connection, 'orders', 'book')

    expect(await stop(broker, signal)).toMatchObject({ status: 0 })

    expect(connection.isOpen).toBe(false)
    expect(readFileSync(join(directory, 'config/topics.json'), 'utf8')).toContain('"orders"')
    const info = jsonOf(await varve('store', 'info', directory, '--json'))
    expect(info).toMatchObject({ condition: 'clean', queues: [{ topic: 'orders', maxOffset: 1 }] })
    const again = start(directory)
    const { broker: address, recovery } = await again.first
    expect(recovery).toBe('clean')
    expect(await offsetOf(address as string, 'orders')).toBe(1)
  })

  test('keeps what it acknowledged when it is killed', async () => {
    const directory = join(freshDirectory(), 'data')
    const broker = start(directory, '--flush', 'sync')
    const connection = await connectTo((await broker.first).broker as string)
    for (let i = 0; i < 10; i++) expect(await send(connection, 'orders', `m${i}`)).toMatchObject({ code: 0 })

    await stop(broker, 'SIGKILL')

    const { broker: address, recovery } = await start(directory).first
    expect(recovery).toBe('crash')
    expect(await offsetOf(address as string, 'orders')).toBe(10)
  })

  test('loses at most the offsets of the last interval when it is killed', async () => {
    const directory = join(freshDirectory(), 'data')
    const broker = start(directory, '--set', 'flushConsumerOffsetInterval=100')
    const connection = await connectTo((await broker.first).broker as string)
    for (let i = 0; i < 3; i++) await send(connection, 'orders', `m${i}`)
    const group = { body: Buffer.from('{"groupName":"g"}'), timeoutMs: 10_000 }
    await connection.call(REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, group)
    const queue = { consumerGroup: 'g', topic: 'orders', queueId: 0 }
    const saved = () => {
      try {
        return readFileSync(join(directory, 'config/consumerOffset.json'), 'utf8').replaceAll(/\s/g, '')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        return '' // Not saved yet, or at this moment only the backup is there.
      }
    }
    const commit = async (commitOffset: number) =>
      expect((await ask(connection, REQUEST.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset })).code).toBe(0)
    await commit(2)
    while (!saved().includes('"orders@g":{"0":2}') && !saved().includes('"orders@g":{0:2}')) await nextTurn()
    await commit(3)

    await stop(broker, 'SIGKILL')

    const again = await connectTo((await start(directory).first).broker as string)
    const answer = await ask(again, REQUEST.QUERY_CONSUMER_OFFSET, queue)
    again.close('done')
    expect([2, 3]).toContain(answer.long(field('offset')))
  })

  test('ends at once when it is told a second time, whoever it still waits for', async () => {
    const broker = start(join(freshDirectory(), 'data'))
    const [host = '', port = ''] = ((await broker.first).broker as string).split(':')
    const held = connect({ host, port: Number(port), allowHalfOpen: true })
    await once(held, 'connect')
    held.resume()

    broker.kill('SIGTERM')
    await once(held, 'end') // It has begun to stop, and now waits for this end of the connection.
    broker.kill('SIGTERM')

    expect(await broker.ended).toMatchObject({ status: 1 })
    held.destroy()
  })

  test('logs lines of JSON to a pipe, and nothing to stdout beside the addresses', async () => {
    const broker = start(join(freshDirectory(), 'data'), '--set', 'sendMessageThreadPoolNums=4')
    await broker.first

    const { stdout, stderr } = await stop(broker)

    expect(stdout.trim().split('\n')).toHaveLength(1)
    const lines = stderr.trim().split('\n')
    expect(lines.map(line => JSON.parse(line))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ level: 'info', keys: 'sendMessageThreadPoolNums' }),
        expect.objectContaining({ event: 'ready', broker: expect.stringMatching(/:\d+$/) }),
        expect.objectContaining({ event: 'stopped' })
      ])
    )
  })

  test('writes nothing into the home of whoever starts it', async () => {
    const [home, directory] = [freshDirectory(), join(freshDirectory(), 'data')]
    const broker = startVarve(argsFor(directory, '--json'), { HOME: home, XDG_CONFIG_HOME: home, XDG_STATE_HOME: home })
    running.push(broker)
    const connection = await connectTo((await broker.first).broker as string)
    await send(connection, 'orders', 'book')
    expect(await stop(broker)).toMatchObject({ status: 0 })
    expect(readdirSync(home)).toEqual([])
  })

  test('takes its parts away that it is told not to have', async () => {
    const broker = startVarve([
      'start',
      '--json',
      ...argsFor(join(freshDirectory(), 'data')).slice(1),
      '--nameserver',
      'off',
      '--http',
      'off'
    ])
    running.push(broker)

    const addresses = await broker.first

    expect(addresses).toHaveProperty('broker')
    expect(addresses).not.toHaveProperty('nameServer')
    expect(addresses).not.toHaveProperty('http')
  })
})

describe('varve start --listen off', () => {
  const alone = (directory: string, ...more: string[]) => {
    const ports = ['--nameserver', ANY, '--http', ANY]
    const server = startVarve(['start', '--json', '--listen', 'off', '--store', directory, ...ports, ...more])
    running.push(server)
    return server
  }

  test('is a name server alone, with which brokers register, and which keeps what tools put there', async () => {
    const directory = join(freshDirectory(), 'names')
    const names = alone(directory)
    const { nameServer, http, broker: none } = (await names.first) as Record<string, string>
    expect(none).toBeUndefined()
    expect((await fetch(`http://${http}/readyz`)).status).toBe(200)
    const broker = start(join(freshDirectory(), 'data'), '--nameserver', 'off', '--set', `namesrvAddr=${nameServer}`)
    const { broker: main } = (await broker.first) as Record<string, string>
    const sender = await connectTo(main as string)
    await send(sender, 'orders', 'book')
    sender.close('done')

    const routes = await connectTo(nameServer as string)
    const route = async () => await ask(routes, REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })
    while ((await route()).code !== RESPONSE.SUCCESS) await nextTurn()
    expect(Buffer.from((await route()).body).toString()).toContain(`"${main}"`)
    const metrics = await (await fetch(`http://${http}/metrics`)).text()
    expect(metrics).toMatch(/^varve_name_server_brokers\{.*node_type="nameserver".*\} 1$/m)
    await ask(routes, REQUEST.PUT_KV_CONFIG, { namespace: 'n', key: 'k', value: 'v' })
    routes.close('done')
    expect(await stop(names)).toMatchObject({ status: 0 })

    expect(existsSync(join(directory, 'commitlog'))).toBe(false)
    const again = await connectTo((await alone(directory).first).nameServer as string)
    const kept = await ask(again, REQUEST.GET_KV_CONFIG, { namespace: 'n', key: 'k' })
    again.close('done')
    expect(kept.text(field('value'))).toBe('v')
  })

  test('does not share its directory', async () => {
    const directory = join(freshDirectory(), 'names')
    const first = alone(directory)
    await first.first
    for (const other of [argsFor(directory), argsFor(directory, '--listen', 'off')]) {
      const { status, stderr } = await varve(...other)
      expect(status).toBe(1)
      expect(stderr).toMatch(new RegExp(`STORE_LOCKED: .*"holderPid":${first.pid}`))
    }
  })

  test('is refused where nothing would be left', async () => {
    const { status, stderr } = await varve(...argsFor(freshDirectory(), '--listen', 'off', '--nameserver', 'off'))
    expect(status).toBe(1)
    expect(stderr).toContain('without a broker it cannot be off')
  })
})

describe('varve start is refused', () => {
  test.each([
    { what: 'the port of the broker', flag: '--listen', distance: 0 },
    { what: 'the port two below it', flag: '--listen', distance: 2 },
    { what: 'the port of the name server', flag: '--nameserver', distance: 0 },
    { what: 'the port for HTTP', flag: '--http', distance: 0 }
  ])('where $what is taken: names who has it, and makes no store', async ({ flag, distance }) => {
    const port = await takenPort()
    const directory = join(freshDirectory(), 'data')

    const { status, stderr } = await varve(...argsFor(directory, flag, `127.0.0.1:${port + distance}`))

    expect(status).toBe(1)
    expect(stderr).toMatch(new RegExp(`PORT_TAKEN: .*"port":${port}.*\\(pid ${process.pid}\\)`))
    expect(existsSync(directory)).toBe(false)
  })

  test('on a store that another broker has open, naming its pid, and that one goes on', async () => {
    const directory = join(freshDirectory(), 'data')
    const broker = start(directory)
    const { http } = await broker.first

    const { status, stderr } = await varve(...argsFor(directory))

    expect(status).toBe(1)
    expect(stderr).toMatch(new RegExp(`STORE_LOCKED: .*"holderPid":${broker.pid}`))
    expect((await fetch(`http://${http}/readyz`)).status).toBe(200)
  })

  test('on an address that other machines reach, unless that is wanted; then the log says so', async () => {
    const directory = join(freshDirectory(), 'data')
    const refused = await varve(...argsFor(directory, '--listen', '0.0.0.0:0'))
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toMatch(/ADDRESS_INSECURE: .*0\.0\.0\.0:0.*--insecure/)

    const broker = start(directory, '--listen', '0.0.0.0:0', '--insecure')
    const { broker: main, vip } = (await broker.first) as Record<string, string>
    const told = (await stop(broker)).stderr.split('\n').find(line => line.includes('no authentication yet')) ?? '{}'
    expect(JSON.parse(told)).toMatchObject({ level: 'warn', addresses: `${main}, ${vip}` })
  })

  test.each([
    {
      what: 'a key that nobody knows',
      args: ['--set', 'flushDiskTpye=SYNC_FLUSH'],
      says: 'did you mean flushDiskType?'
    },
    { what: 'a value that its key cannot have', args: ['--set', 'brokerPermission=9'], says: 'an integer from 0 to 7' },
    { what: 'a file that is not there', args: ['-c', 'missing.conf'], says: 'CONFIG_UNREADABLE' },
    { what: 'an address that is none', args: ['--http', 'localhost:http'], says: 'CONFIG_INVALID' },
    { what: 'a store that is a file', args: ['--store', MAIN], says: 'it is a file' },
    {
      what: 'a log that is elsewhere',
      args: ['--set', 'storePathCommitLog=/elsewhere'],
      says: 'below storePathRootDir'
    },
    { what: 'a store in a home that nobody resolves', args: ['--store', '~/data'], says: 'write the whole path' },
    { what: 'a host that is none', args: ['--advertise', 'my host'], says: '"key":"brokerIP1"' },
    { what: 'levels that are none', args: ['--set', 'messageDelayLevel=1s soon'], says: '"key":"messageDelayLevel"' }
  ])('for $what, with the reason', async ({ args, says }) => {
    const { status, stdout, stderr } = await varve(...argsFor(join(freshDirectory(), 'data'), ...args))
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(says)
    expect(stderr).not.toContain('stopping')
  })
})
