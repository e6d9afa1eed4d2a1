/** What the world may send, and not send, to a port: one honest client is served before, beside and after each of them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freshSeed, KiB, MiB, seededRandom } from '../../src/base/index.ts'
import { field, REMOTING_LIMITS, type RemotingConnection } from '../../src/protocol/index.ts'
import { binaryFrame, frame, int32, jsonFrame } from './frames.ts'
import { echo, expectServed, listening, type Place, type RawPeer } from './peers.ts'

let place: Place
let honest: RemotingConnection

beforeEach(async () => {
  place = await listening()
  honest = await place.honest()
  await expectServed(honest)
})

afterEach(async () => {
  await place[Symbol.asyncDispose]()
})

const head = (length: number, word: number) => Buffer.concat([int32(length), int32(word)])
const OUT_OF_RANGE = 'the length of the frame is out of range'
const MALFORMED = 'the header is malformed'

describe('a peer is closed, with its reason in log and counters, and others are not, when it sends', () => {
  test.each<[string, Uint8Array, string]>([
    ['a length above 16 MiB', head(16 * MiB - 3, 0), OUT_OF_RANGE],
    ['the largest length there is', head(0x7fff_ffff, 0), OUT_OF_RANGE],
    ['a negative length', head(-1, 0), OUT_OF_RANGE],
    ['the most negative length', head(-(2 ** 31), 0), OUT_OF_RANGE],
    ['a length of 0', head(0, 0), OUT_OF_RANGE],
    ['a length without a header word', head(3, 0), OUT_OF_RANGE],
    ['a header above 1 MiB', head(8 * MiB, MiB + 1), 'the header is too large'],
    ['a header longer than its frame', head(100, 97), 'the header is longer than its frame'],
    ['an unknown form of header', frame('{}', '', 2), 'unknown form of header'],
    ['the highest form of header', frame('{}', '', 255), 'unknown form of header'],
    ['a header that is no JSON', frame('{"code":'), MALFORMED],
    ['no header', frame(''), MALFORMED],
    ['a binary header cut short', frame(Buffer.alloc(20), '', 1), MALFORMED],
    ['more than 10,000 fields', jsonFrame({ fields: manyFields(10_001) }), 'the header has too many fields'],
    ['a TLS handshake', Buffer.from('16030100f5010000f10303', 'hex'), 'TLS, which this port does not speak'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n'), 'HTTP, which this port does not speak'],
    ['HTTP 2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP, which this port does not speak'],
    [
      'the PROXY protocol',
      Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'),
      'the PROXY protocol, which this port does not speak'
    ]
  ])('%s', async (_, bytes, reason) => {
    const before = await place.raw()
    before.send(jsonFrame({ opaque: 1 }, 'served'), bytes)
    expect(await before.answers(1)).toMatchObject([{ body: 'served' }]) // What came before the fault is still answered.
    await before.closed()

    const inPieces = await place.raw()
    for (const byte of bytes.subarray(0, 12)) {
      inPieces.send(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    inPieces.send(bytes.subarray(12))
    await inPieces.closed()

    expect(place.listener.counters.closedBecause).toEqual(new Map([[reason, 2]]))
    expect(place.logged.filter(line => line.includes(reason))).toHaveLength(2)
    await expectServed(honest)
  })
})

describe('a peer is served when it sends', () => {
  test('a frame of exactly 16 MiB', async () => {
    const bytes = jsonFrame({ opaque: 9 }, '')
    const peer = await place.raw()
    const body = 'x'.repeat(REMOTING_LIMITS.frameBytesMax - bytes.length)
    peer.send(jsonFrame({ opaque: 9 }, body))
    const [answer] = await peer.answers(1)
    expect(answer?.body.length).toBe(body.length)
    await expectServed(honest)
  })

  test('a header of exactly 1 MiB', async () => {
    const empty = jsonFrame({ remark: '' }).length - 8
    const peer = await place.raw()
    peer.send(jsonFrame({ remark: 'r'.repeat(MiB - empty) }))
    expect((await peer.answers(1))[0]?.remark?.length).toBe(MiB - empty)
  })

  test('10,000 fields, again and again, which are looked through in bounded time', async () => {
    await place[Symbol.asyncDispose]()
    const last = field('f9999')
    const missing = field('missing')
    place = await listening({
      onRequest: (request, connection) => {
        const values = [request.text(last), request.text(missing), request.isAbsent(missing)]
        connection.begin(request.opaque, request.fieldCount, values.join()).end()
      }
    })
    const peer = await place.raw()
    const bytes = jsonFrame({ fields: manyFields(10_000) })
    for (let count = 0; count < 20; count++) peer.send(bytes)
    expect(await peer.answers(20)).toMatchObject(Array(20).fill({ code: 10_000, remark: 'x,,true' }))
  })

  test.each([jsonFrame, binaryFrame])('fields called like what objects have by themselves (%o)', async make => {
    await place[Symbol.asyncDispose]()
    place = await listening({
      onRequest: (request, connection) => {
        const out = connection.begin(request.opaque, 0)
        request.eachField((name, value) => out.named(name, value))
        out.end()
      }
    })
    const peer = await place.raw()
    const fields = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t","hasOwnProperty":"h"}')
    peer.send(make({ fields }))
    const [answer] = await peer.answers(1)
    expect(Object.entries(answer!.fields)).toEqual(Object.entries(fields))
    expect(({} as { p?: string }).p).toBeUndefined()
  })
})

describe('a frame that has begun', () => {
  test.each([1, 3, 4, 7, 8, 100])('and stops after %i bytes is waited for for 15 seconds', async bytes => {
    const peer = await place.raw()
    const whole = jsonFrame({ opaque: 4 }, 'at last')
    await sendAll(peer, whole.subarray(0, bytes))
    place.clock.advance(15_000)
    place.listener.sweep()
    await expectServed(honest)
    expect(peer.isClosed).toBe(false)

    place.clock.advance(10) // Its bytes have bought it some milliseconds.
    place.listener.sweep()
    await peer.closed()
    expect(place.listener.counters.closedBecause.get('half a frame, and the rest did not come in time')).toBe(1)
    await expectServed(honest)
  })

  test('and goes on byte by byte has no more time for it', async () => {
    const peer = await place.raw()
    const whole = jsonFrame({ opaque: 4 }, 'never')
    for (let second = 0; second < 16; second++) {
      await sendAll(peer, whole.subarray(second, second + 1))
      place.clock.advance(1000)
      place.listener.sweep()
    }
    await peer.closed()
  })

  test('and is large has more time, as its bytes come', async () => {
    const peer = await place.raw()
    const whole = jsonFrame({ opaque: 4 }, 'x'.repeat(MiB))
    for (let at = 0; at < whole.length; at += 64 * KiB) {
      await sendAll(peer, whole.subarray(at, at + 64 * KiB))
      place.clock.advance(3000)
      place.listener.sweep()
    }
    expect((await peer.answers(1))[0]?.body.length).toBe(MiB)
  })

  test('does not take the memory that its length claims', async () => {
    const before = process.memoryUsage().arrayBuffers
    const peers = await Promise.all(Array.from({ length: 64 }, () => place.raw()))
    for (const peer of peers) {
      await sendAll(peer, Buffer.concat([head(15 * MiB, 100), Buffer.alloc(100)]))
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MiB)
  })
})

describe('a connection on which nothing happens', () => {
  test('is closed after 120 seconds without a byte in either direction', async () => {
    const peer = await place.raw()
    peer.send(jsonFrame({ opaque: 1 }))
    await peer.answers(1)
    place.clock.advance(119_999)
    await expectServed(honest)
    place.listener.sweep()
    expect(peer.isClosed).toBe(false)
    place.clock.advance(2)
    place.listener.sweep()
    await peer.closed()
    expect(place.listener.counters.closedBecause).toEqual(new Map([['idle', 1]]))
    await expectServed(honest)
  })
})

describe('a peer that never reads', () => {
  test('is not read from any more, and then closed when more than the limit waits for it', async () => {
    await place[Symbol.asyncDispose]()
    place = await listening({ limits: { outputPauseBytes: MiB, outputBytesMax: 8 * MiB } })
    honest = await place.honest()
    const peer = await place.raw()
    peer.socket.pause()
    const bytes = jsonFrame({}, 'x'.repeat(256 * KiB))
    for (let count = 0; count < 200; count++) peer.send(bytes)
    await settled()
    const { requests } = place.listener.counters
    expect(requests).toBeLessThan(100) // Of 200 that were sent: the rest is not even read.
    await expectServed(honest)

    peer.socket.resume()
    expect(await peer.answers(200)).toHaveLength(200) // Nothing is lost once it does read.
  })

  test('and asks for much with few bytes is answered as it reads', async () => {
    await place[Symbol.asyncDispose]()
    place = await listening({
      limits: { outputPauseBytes: MiB, outputBytesMax: 8 * MiB },
      onRequest: ({ opaque }, connection) => connection.begin(opaque, 0).endWith(Buffer.alloc(MiB))
    })
    const peer = await place.raw()
    peer.socket.pause()
    peer.send(Buffer.concat(Array.from({ length: 64 }, (_, opaque) => jsonFrame({ opaque }))))
    await settled()
    expect(place.listener.counters.requests).toBeLessThan(32) // Of 64 that came in one piece.
    expect(place.listener.connectionCount).toBe(1)

    // What others send meanwhile does not touch what was kept of that piece.
    const other = await place.raw()
    other.send(jsonFrame({ opaque: 1000 }, 'x'.repeat(64 * KiB)))
    await other.answers(1)
    peer.socket.resume()
    expect((await peer.answers(64)).map(({ opaque }) => opaque)).toEqual(
      Array.from({ length: 64 }, (_, opaque) => opaque)
    )
  })

  test('is closed when answers that it asked for before exceed the limit', async () => {
    const answers: (() => void)[] = []
    await place[Symbol.asyncDispose]()
    place = await listening({
      limits: { outputPauseBytes: MiB, outputBytesMax: 8 * MiB },
      onRequest: (request, connection) => {
        if (request.code !== 11) return echo(request, connection)
        const { opaque } = request
        answers.push(() => connection.begin(opaque, 0).endWith(Buffer.alloc(MiB)))
      }
    })
    honest = await place.honest()
    const peer = await place.raw()
    peer.socket.pause()
    for (let opaque = 0; opaque < 64; opaque++) peer.send(jsonFrame({ code: 11, opaque }))
    while (answers.length < 64) await new Promise(setImmediate)
    for (const answer of answers) answer()
    await settled()
    expect(place.listener.counters.closedBecause).toEqual(new Map([['it does not read what is sent to it', 1]]))
    while (place.listener.connectionCount > 1) await new Promise(setImmediate)
    await expectServed(honest)
  })
})

describe('connections', () => {
  test('beyond the cap are closed, and are welcome again when others have gone', async () => {
    await place[Symbol.asyncDispose]()
    place = await listening({ connectionsMax: 2 })
    honest = await place.honest()
    await expectServed(honest)
    const second = await place.raw()
    second.send(jsonFrame({}))
    await second.answers(1)

    const third = await place.raw()
    await third.closed()
    expect(place.listener.counters.refused).toBe(1)
    expect(place.logged.join()).toContain('as many connections as are allowed')
    await expectServed(honest)

    second.socket.destroy()
    while (place.listener.connectionCount > 1) await new Promise(setImmediate)
    const fourth = await place.raw()
    fourth.send(jsonFrame({ opaque: 4 }))
    expect(await fourth.answers(1)).toMatchObject([{ opaque: 4 }])
  })

  test('that are closed for one reason in great numbers are counted, and logged ten times a minute', async () => {
    for (let count = 0; count < 15; count++) {
      const peer = await place.raw()
      peer.send(head(-1, 0))
      await peer.closed()
    }
    expect(place.listener.counters.closedBecause.get(OUT_OF_RANGE)).toBe(15)
    expect(place.logged.filter(line => line.includes('peer closed'))).toHaveLength(10)
    place.clock.advance(120_000)
    place.listener.sweep()
    expect(place.logged.at(-1)).toContain('"count":5')
  })
})

describe('frames with random mutations', () => {
  const seed = freshSeed()

  test(`leave the honest client served (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const rounds = 400
    for (let round = 0; round < rounds; round++) {
      const peer = await place.raw()
      const make = random.chance(0.5) ? jsonFrame : binaryFrame
      const fields = { topic: 'T', a: 'ä"\\\u0001', n: String(random.uint32()) }
      const frames = Array.from({ length: random.between(1, 5) }, (_, opaque) =>
        make({ code: random.below(400), opaque, fields }, 'x'.repeat(random.below(2000)))
      )
      const bytes = Buffer.concat(frames)
      for (let count = random.below(6); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256)
      const cut = random.chance(0.3) ? random.below(bytes.length) : bytes.length
      peer.send(bytes.subarray(0, cut >> 1), bytes.subarray(cut >> 1, cut))
      peer.socket.end()
      if (round % 16 === 0) await expectServed(honest, `round ${round}`)
    }
    while (place.listener.connectionCount > 1) await new Promise(setImmediate)
    await expectServed(honest)
    expect(honest.isOpen).toBe(true)
  })
})

/** Sends, and waits until the listener has read it. */
async function sendAll(peer: RawPeer, bytes: Uint8Array): Promise<void> {
  const { counters } = place.listener
  const until = counters.bytesRead + bytes.length
  peer.send(bytes)
  while (counters.bytesRead < until) await new Promise(setImmediate)
}

/** Until nothing moves any more between the listener and its peers. */
async function settled(): Promise<void> {
  let seen = -1
  for (let still = 0; still < 50; still++) {
    const { bytesRead, bytesWritten } = place.listener.counters
    if (bytesRead + bytesWritten !== seen) still = 0
    seen = bytesRead + bytesWritten
    await new Promise(setImmediate)
  }
}

function manyFields(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, 'x']))
}
