import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLog, systemClock, VarveError } from '../../src/base/index.ts'
import { connectRemoting, field, listenRemoting, RESPONSE, type RemotingConnection } from '../../src/protocol/index.ts'
import { binaryFrame, jsonFrame } from './frames.ts'
import { echo, expectServed, HOST, listening, type Place } from './peers.ts'

let place: Place | undefined

afterEach(async () => {
  await place?.[Symbol.asyncDispose]()
  place = undefined
})

describe('a connection', () => {
  test('answers requests of both forms in JSON, under their own numbers', async () => {
    place = await listening()
    const peer = await place.raw()
    peer.send(Buffer.concat([jsonFrame({ opaque: 7 }, 'first'), binaryFrame({ opaque: -8 }, 'second')]))

    const [first, second] = await peer.answers(2)
    expect(first).toMatchObject({ code: 0, opaque: 7, flag: 1, body: 'first' })
    expect(second).toMatchObject({ code: 0, opaque: -8, flag: 1, body: 'second' })
    expect(first?.header).toBe(
      '{"code":0,"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":479}'
    )
  })

  test('reads frames that come byte by byte', async () => {
    place = await listening()
    const peer = await place.raw()
    const bytes = Buffer.concat([
      jsonFrame({ opaque: 1 }, 'a'),
      binaryFrame({ opaque: 2 }, 'b'),
      jsonFrame({ opaque: 3 })
    ])
    for (const byte of bytes) {
      peer.send(Buffer.of(byte))
      await new Promise(setImmediate) // So that the bytes leave, and arrive, one by one.
    }
    expect((await peer.answers(3)).map(({ opaque, body }) => `${opaque}${body}`)).toEqual(['1a', '2b', '3'])
  })

  test('reads a large frame and those right behind it', async () => {
    place = await listening()
    const peer = await place.raw()
    const body = 'x'.repeat(9_000_000)
    peer.send(jsonFrame({ opaque: 1 }), jsonFrame({ opaque: 2 }, body), jsonFrame({ opaque: 3 }))
    const answers = await peer.answers(3)
    expect(answers.map(({ opaque }) => opaque)).toEqual([1, 2, 3])
    expect(answers[1]?.body === body).toBe(true)
  })

  test('never answers a oneway request', async () => {
    place = await listening()
    const peer = await place.raw()
    peer.send(jsonFrame({ opaque: 1, flag: 2 }), jsonFrame({ opaque: 2 }))
    expect(await peer.answers(1)).toMatchObject([{ opaque: 2 }])
  })

  test('writes every kind of field, texts with escapes, a remark and a body in place', async () => {
    const F = { text: field('text'), utf8: field('utf8'), int: field('int'), long: field('long'), flag: field('flag') }
    place = await listening({
      onRequest: ({ opaque }, connection) => {
        const out = connection
          .begin(opaque, RESPONSE.PULL_NOT_FOUND, 'so "it" is\n')
          .text(F.text, 'ä"\u0001')
          .utf8(F.utf8, Buffer.from('TAGS\u0001a"\\\u0002ä'))
          .int(F.int, -7)
          .long(F.long, Number.MAX_SAFE_INTEGER)
          .bool(F.flag, true)
          .named('any name "at all"', '')
          .endHeader(4)
        Buffer.from('body').copy(out.bytes, out.at)
      }
    })
    const peer = await place.raw()
    peer.send(jsonFrame({ opaque: 2147483647 }))
    expect(await peer.answers(1)).toMatchObject([
      {
        code: 19,
        opaque: 2147483647,
        remark: 'so "it" is\n',
        body: 'body',
        fields: {
          text: 'ä"\u0001',
          utf8: 'TAGS\u0001a"\\\u0002ä',
          int: '-7',
          long: '9007199254740991',
          flag: 'true',
          'any name "at all"': ''
        }
      }
    ])
  })

  test('takes answers in any order, also from a later turn', async () => {
    const waiting: number[] = []
    place = await listening({
      onRequest: ({ opaque }, connection) => {
        waiting.push(opaque)
        if (waiting.length < 3) return
        setImmediate(() => {
          for (const number of waiting.reverse()) connection.begin(number, 0).end()
        })
      }
    })
    const peer = await place.raw()
    peer.send(jsonFrame({ opaque: 1 }), jsonFrame({ opaque: 2 }), jsonFrame({ opaque: 3 }))
    expect((await peer.answers(3)).map(({ opaque }) => opaque)).toEqual([3, 2, 1])
  })

  test('carries answers of all sizes, many at a time', async () => {
    place = await listening()
    const peer = await place.raw()
    const sizes = [0, 1, 100, 4000, 5000, 60_000, 70_000, 300_000, 1, 600_000, 2, 5_000_000, 3]
    peer.send(Buffer.concat(sizes.map((size, opaque) => jsonFrame({ opaque }, 'abcdefg'.repeat(size).slice(0, size)))))
    const answers = await peer.answers(sizes.length)
    expect(answers.map(({ opaque }) => opaque)).toEqual(sizes.map((_, opaque) => opaque))
    expect(answers.every(({ body }, index) => body === 'abcdefg'.repeat(sizes[index]!).slice(0, sizes[index]))).toBe(
      true
    )
  })

  test('that waits for a slow peer keeps what it has to send apart from what others are sent meanwhile', async () => {
    place = await listening()
    const slow = await place.raw()
    slow.socket.pause()
    const slowBody = 'slow'.repeat(900_000)
    const opaques = [1, 2, 3, 4, 5, 6] // More than the system holds for a socket.
    for (const opaque of opaques) slow.send(jsonFrame({ opaque }, slowBody))
    const quick = await place.raw()
    for (let opaque = 0; opaque < 10; opaque++) {
      quick.send(jsonFrame({ opaque }, 'quick'.repeat(700_000)))
      await quick.answers(1)
    }
    expect(place.listener.counters.requests).toBeLessThan(opaques.length + 10) // The slow one is waited for.
    slow.socket.resume()
    const answers = await slow.answers(opaques.length)
    expect(answers.map(({ opaque, body }) => [opaque, body === slowBody])).toEqual(
      opaques.map(opaque => [opaque, true])
    )
  })

  test('knows its two ends', async () => {
    const connected: RemotingConnection[] = []
    place = await listening({ onConnected: connection => connected.push(connection) })
    const peer = await place.honest()
    await expectServed(peer)
    expect(connected).toHaveLength(1)
    expect(connected[0]).toMatchObject({ remote: peer.local, local: peer.remote, isOpen: true })
    expect(peer.remote).toEqual({ address: HOST, port: place.port })
    expect(place.listener).toMatchObject({ connectionCount: 1, counters: { accepted: 1, requests: 1 } })
  })
})

describe('a request to the peer', () => {
  test('goes either way over one connection', async () => {
    const connected: RemotingConnection[] = []
    place = await listening({ onConnected: connection => connected.push(connection) })
    const peer = await connectRemoting({
      host: HOST,
      port: place.port,
      connectTimeoutMs: 10_000,
      log: silentLog,
      clock: place.clock,
      onRequest: (request, connection) => {
        connection
          .begin(request.opaque, 0)
          .text(field('said'), request.text(field('says'))!)
          .end()
      }
    })
    await expectServed(peer)
    const says = 'hello "you"\\\u0001'
    const answer = await connected[0]!.call(220, { says, no: undefined, many: 3 }, { timeoutMs: 1000 })
    await expectServed(peer) // The answer owns its bytes: nothing that comes later changes it.
    expect(answer.text(field('said'))).toBe(says)
  })

  test('without a handler is answered as not supported, unless it is oneway', async () => {
    const connected: RemotingConnection[] = []
    place = await listening({ onConnected: connection => connected.push(connection) })
    await expectServed(await place.honest())
    connected[0]!.notify(40, {})
    const answer = await connected[0]!.call(9999, {}, { timeoutMs: 1000 })
    expect(answer.code).toBe(RESPONSE.REQUEST_CODE_NOT_SUPPORTED)
    expect(answer.remark).toBe(' request type 9999 not supported')
  })

  test('that is not answered in time fails with a code, and a late answer goes nowhere', async () => {
    const answer: (() => void)[] = []
    place = await listening({
      onRequest: (request, connection) => {
        const { opaque } = request
        answer.push(() => connection.begin(opaque, 0).end())
        if (answer.length > 1) for (const late of answer) late()
      }
    })
    const peer = await place.honest()
    const call = peer.call(105, {}, { timeoutMs: 3000 })
    const failed = expect(call).rejects.toMatchObject({
      code: 'PEER_TIMEOUT',
      details: { request: 'GET_ROUTEINFO_BY_TOPIC' }
    })
    place.clock.advance(3001)
    await failed
    await expect(peer.call(105, {}, { timeoutMs: 3000 })).resolves.toMatchObject({ code: 0 })
  })

  test('fails when the connection ends, or has ended', async () => {
    place = await listening({ onRequest: (_, connection) => connection.close('done with it') })
    const peer = await place.honest()
    const reason = new Promise(resolve => peer.onClosed(resolve))
    await expect(peer.call(1, {}, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'PEER_CLOSED' })
    expect(await reason).toBe('the peer closed the connection')
    expect(await new Promise(resolve => peer.onClosed(resolve))).toBe('the peer closed the connection')
    expect(peer.isOpen).toBe(false)
    await expect(peer.call(1, {}, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'PEER_CLOSED' })
    peer.notify(1, {})
    peer.begin(1, 0).endWith(Buffer.from('to nobody'))
  })
})

describe('a port', () => {
  test('that is taken is refused, and the error names who has it', async () => {
    place = await listening()
    const error = await listenRemoting({
      host: HOST,
      port: place.port,
      onRequest: echo,
      connectionsMax: 1,
      log: silentLog,
      clock: systemClock
    }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VarveError)
    expect(error).toMatchObject({ code: 'PORT_TAKEN', details: { port: place.port } })
    if (process.platform === 'linux') {
      expect((error as VarveError).details.holder).toContain(`(pid ${process.pid})`)
    }
  })

  test('on an address of another machine is refused', async () => {
    const listen = listenRemoting({
      host: '203.0.113.1',
      port: 0,
      onRequest: echo,
      connectionsMax: 1,
      log: silentLog,
      clock: systemClock
    })
    await expect(listen).rejects.toMatchObject({ code: 'ADDRESS_UNUSABLE', details: { errno: 'EADDRNOTAVAIL' } })
  })

  test('where nobody listens cannot be connected to', async () => {
    const server = createServer().listen(0, HOST)
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, 'close')
    const connecting = connectRemoting({ host: HOST, port, connectTimeoutMs: 5000, log: silentLog, clock: systemClock })
    await expect(connecting).rejects.toMatchObject({ code: 'PEER_UNREACHABLE', details: { errno: 'ECONNREFUSED' } })
  })
})

describe('closing a listener', () => {
  test('sends what has been written first, and leaves no connection', async () => {
    place = await listening({
      onRequest: ({ opaque }, connection) => {
        setImmediate(() => {
          connection.begin(opaque, 0).endWith(Buffer.alloc(1_000_000))
          void place?.listener.close({ drainMs: 10_000 })
        })
      }
    })
    const peer = await place.raw()
    peer.send(jsonFrame({ opaque: 5 }))
    expect((await peer.answers(1))[0]).toMatchObject({ opaque: 5 })
    await peer.closed()
    await place.listener.close({ drainMs: 10_000 })
    expect(place.listener.connectionCount).toBe(0)
  })

  test('does not wait for a peer that reads nothing', async () => {
    place = await listening()
    const peer = await place.raw()
    peer.socket.pause()
    peer.send(jsonFrame({}, 'x'.repeat(15_000_000)))
    while (place.listener.counters.requests === 0) await new Promise(setImmediate)
    await place.listener.close({ drainMs: 1 })
    expect(place.listener.connectionCount).toBe(0)
  })

  test('first stops accepting, if told so, and goes on with those that are there', async () => {
    place = await listening()
    const peer = await place.honest()
    await expectServed(peer)
    place.listener.stopAccepting()
    await expect(place.honest()).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await expectServed(peer)
  })
})
