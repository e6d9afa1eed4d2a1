import { request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLog, VarveError } from '../../src/base/index.ts'
import { Registry } from '../../src/metrics/index.ts'
import { ServerHealth } from '../../src/server/health.ts'
import { type HttpLimits, type HttpListener, type HttpRoutes, listenHttp } from '../../src/server/http.ts'
import { httpRoutes } from '../../src/server/http-routes.ts'

const host = '127.0.0.1'
const open: HttpListener[] = []
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close({ drainMs: 0 })
})

async function listen(routes: HttpRoutes, limits: Partial<HttpLimits> = {}): Promise<number> {
  const listener = await listenHttp({ host, port: 0, routes, limits, log: silentLog })
  open.push(listener)
  return listener.address.port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

function get(port: number, path: string, { method = 'GET' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path, method, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', text => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
      response.on('error', reject)
    })
    asked.on('error', reject).end()
  })
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
function talk(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(bytes))
    let answer = ''
    socket.setEncoding('latin1').on('data', text => {
      answer += text
    })
    socket.on('close', () => resolve(answer)).on('error', reject)
  })
}

const routesOf = (health = new ServerHealth(), registry = new Registry()): HttpRoutes =>
  httpRoutes({
    health,
    registry,
    look: async () => undefined,
    labels: () => ({ cluster: 'c' }),
    version: { version: '1.2.3' }
  })

const broken = new VarveError('STORE_SYNC_FAILED', { path: 'commitlog' })

describe('/readyz', () => {
  test.each<{ what: string; set: (health: ServerHealth) => void; status: number; says: string }>([
    { what: 'that recovers', set: () => {}, status: 503, says: '"reasons":["recovering"]' },
    {
      what: 'that is half through recovery',
      set: health => health.recovering({ doneBytes: 50, totalBytes: 100 }),
      status: 503,
      says: 'recovering: 50 % of 100 bytes'
    },
    { what: 'that serves', set: health => health.enter('serving'), status: 200, says: '"ready"' },
    { what: 'that drains', set: health => health.enter('draining'), status: 503, says: '"stopping"' },
    {
      what: 'whose store failed',
      set: health => {
        health.enter('serving')
        health.fail(broken)
      },
      status: 503,
      says: 'STORE_SYNC_FAILED'
    },
    {
      what: 'whose disk is slow',
      set: health => {
        health.enter('serving')
        health.diskWaits(17_400)
      },
      status: 503,
      says: 'waiting for it for 17 s'
    },
    {
      what: 'whose disk was slow',
      set: health => {
        health.enter('serving')
        health.diskWaits(17_400)
        health.diskWaits(undefined)
      },
      status: 200,
      says: '"ready"'
    },
    {
      what: 'that has put something into quarantine',
      set: health => {
        health.enter('serving')
        health.note('12 bytes were moved')
      },
      status: 200,
      says: '"notes":["12 bytes were moved"]'
    }
  ])('of a server $what is $status and says why', async ({ set, status, says }) => {
    const health = new ServerHealth()
    set(health)

    const answer = await get(await listen(routesOf(health)), '/readyz')

    expect(answer.status).toBe(status)
    expect(answer.body).toContain(says)
  })
})

describe('/healthz', () => {
  test('is well while the server recovers, serves and drains', async () => {
    const health = new ServerHealth()
    const port = await listen(routesOf(health))
    for (const phase of ['recovering', 'serving', 'draining'] as const) {
      health.enter(phase)
      expect(await get(port, '/healthz')).toMatchObject({ status: 200 })
    }
  })

  test('is 503 once the store takes no more writes, with the first failure and what to do', async () => {
    const health = new ServerHealth()
    const port = await listen(routesOf(health))
    health.fail(broken)
    health.fail(new VarveError('STORE_CLOSED'))

    const { status, body } = await get(port, '/healthz')

    expect(status).toBe(503)
    expect(JSON.parse(body)).toMatchObject({ status: 'failed', code: 'STORE_SYNC_FAILED', hint: broken.hint })
  })
})

test('/version says what runs', async () => {
  expect(JSON.parse((await get(await listen(routesOf()), '/version')).body)).toEqual({ version: '1.2.3' })
})

test('/metrics prints every family with the common labels, also when they come in many pieces', async () => {
  const registry = new Registry()
  registry.gauge({ name: 'g', help: 'G.' }).set(7)
  registry.sampled({ name: 'many', help: 'Many.' }, 'counter', function* () {
    for (let i = 0; i < 20_000; i++) yield { labels: { topic: `topic-${i}` }, value: i }
  })

  const { status, headers, body } = await get(await listen(routesOf(new ServerHealth(), registry)), '/metrics')

  expect(status).toBe(200)
  expect(headers['content-type']).toContain('version=0.0.4')
  expect(body).toContain('\ng{cluster="c"} 7\n')
  expect(body.match(/^many\{cluster="c",topic="topic-\d+"\} \d+$/gm)).toHaveLength(20_000)
})

describe('a request that is not meant well', () => {
  test.each([
    { what: 'for an unknown path', path: '/', method: 'GET', status: 404, says: '/metrics' },
    { what: 'for a name of every object', path: '/constructor', method: 'GET', status: 404, says: '/metrics' },
    { what: 'that would change something', path: '/readyz', method: 'DELETE', status: 405, says: 'GET' }
  ])('$what is $status and says what there is', async ({ path, method, status, says }) => {
    expect(await get(await listen(routesOf()), path, { method })).toMatchObject({
      status,
      body: expect.stringContaining(says)
    })
  })

  test('of a query is answered by its path', async () => {
    expect(await get(await listen(routesOf()), '/healthz?full=1')).toMatchObject({ status: 200 })
  })

  test('of the method HEAD gets the head alone', async () => {
    expect(await get(await listen(routesOf()), '/healthz', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
  })

  test.each([
    { what: 'is no HTTP', bytes: '\u0016\u0003\u0001\u0002\r\n\r\n', says: 'HTTP/1.1 400' },
    { what: 'has a head without end', bytes: `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`, says: 'HTTP/1.1 431' },
    {
      what: 'announces a body',
      bytes: 'GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n',
      says: 'HTTP/1.1 200'
    }
  ])('and $what is answered and closed', async ({ bytes, says }) => {
    expect(await talk(await listen(routesOf()), bytes)).toMatch(new RegExp(`^${says}`))
  })

  test('and never gets finished is closed in time', async () => {
    const port = await listen(routesOf(), { requestMs: 50 })
    expect(await talk(port, 'GET /healthz HTTP/1.1\r\n')).toMatch(/^HTTP\/1.1 408/)
  })

  test('and comes over one connection too many finds it closed, while those that are open go on', async () => {
    const port = await listen(routesOf(), { connectionsMax: 1 })
    const first = connect(port, host)
    await new Promise(resolve => first.once('connect', resolve))

    expect(await talk(port, '')).toBe('')

    first.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    const answer = await new Promise<string>(resolve => first.once('data', bytes => resolve(String(bytes))))
    expect(answer).toContain('200 OK')
  })

  test('and is never read costs a bounded number of pieces and is closed in time', async () => {
    let made = 0
    let left: () => void = () => {}
    const isLeft = new Promise<void>(resolve => {
      left = resolve
    })
    const endless = function* () {
      try {
        for (;;) {
          made++
          yield 'x'.repeat(65_536)
        }
      } finally {
        left()
      }
    }
    const routes: HttpRoutes = { '/endless': () => ({ status: 200, contentType: 'text/plain', body: endless() }) }
    const port = await listen(routes, { idleMs: 100 })
    const socket = connect(port, host, () => socket.write('GET /endless HTTP/1.1\r\nhost: x\r\n\r\n'))
    socket.pause()

    await isLeft
    socket.destroy()

    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThan(1000)
  })
})

test('a port that is taken is an error that says so', async () => {
  const holder = createServer().listen(0, host)
  await new Promise(resolve => holder.once('listening', resolve))
  const { port } = holder.address() as AddressInfo
  try {
    await expect(listenHttp({ host, port, routes: {}, log: silentLog })).rejects.toMatchObject({ code: 'PORT_TAKEN' })
  } finally {
    holder.close()
  }
})
