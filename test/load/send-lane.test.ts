/** The senders of the broker benchmarks, against a broker of a few lines that answers as it is told. */
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../src/load/connection.ts'
import { Meter } from '../../src/load/meter.ts'
import { SendLane } from '../../src/load/send-lane.ts'

const OK = 0
const BUSY = 2

interface Received {
  readonly opaque: number
  /** Of them here: queue, time of birth, properties. */
  readonly fields: { readonly e: string; readonly g: string; readonly i: string }
  readonly body: Buffer
}

let server: Server
let received: Received[]
let codeOf: (request: number) => number

beforeEach(async () => {
  received = []
  codeOf = () => OK
  server = createServer(answering)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(() => {
  server.close()
})

function answering(socket: Socket): void {
  let kept = Buffer.alloc(0)
  socket.on('data', bytes => {
    kept = Buffer.concat([kept, bytes])
    while (kept.length >= 4 && kept.length >= 4 + kept.readInt32BE(0)) {
      const until = 4 + kept.readInt32BE(0)
      socket.write(answerTo(kept.subarray(0, until)))
      kept = kept.subarray(until)
    }
  })
  socket.on('error', () => socket.destroy())
}

function answerTo(frame: Buffer): Buffer {
  const headerUntil = 8 + frame.readInt32BE(4)
  const { opaque, extFields } = JSON.parse(frame.toString('utf8', 8, headerUntil))
  const header = JSON.stringify({ code: codeOf(received.length), flag: 1, opaque, version: 479 })
  received.push({ opaque, fields: extFields, body: Buffer.from(frame.subarray(headerUntil)) })
  const answer = Buffer.alloc(8 + header.length)
  answer.writeInt32BE(4 + header.length, 0)
  answer.writeInt32BE(header.length, 4)
  answer.write(header, 8)
  return answer
}

async function sendAll(count: number, started = (_lane: SendLane, _meter: Meter) => {}, isHeld = () => false) {
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const connection = await Connection.open({ host: '127.0.0.1', port })
  try {
    const meter = new Meter({ count })
    const targets = [0, 1, 2].map(queueId => ({ topic: 'T', queueId }))
    const shape = { bodyBytes: 16, window: 4, batchCount: 1, targets }
    const lane = new SendLane(connection, meter, { shape, lane: 0, isHeld })
    const failed = new Promise<never>((_, reject) => connection.serve(lane, reject))
    lane.start()
    started(lane, meter)
    await Promise.race([failed, lane.idle()])
    return { lane, meter }
  } finally {
    connection.close()
  }
}

describe('a connection that sends', () => {
  test('sends as many as the meter asks for, each with its own opaque and key, to each queue in turn', async () => {
    const { lane, meter } = await sendAll(100)
    expect([lane.acknowledged, meter.count, received.length]).toEqual([100, 100, 100])
    expect(new Set(received.map(({ opaque }) => opaque)).size).toBe(100)
    expect(new Set(received.map(({ fields }) => fields.i)).size).toBe(100)
    expect(received.slice(0, 6).map(({ fields }) => fields.e)).toEqual(['0', '1', '2', '0', '1', '2'])
    for (const { fields, body } of received) {
      expect(body.length).toBe(16)
      expect(Number(fields.g)).toBeGreaterThan(1_700_000_000_000)
    }
  })

  test('sends another for each that the broker is too busy for, until all are acknowledged', async () => {
    codeOf = request => (request % 3 === 1 ? BUSY : OK)
    const { lane, meter } = await sendAll(100)
    expect([lane.acknowledged, meter.count, meter.begun]).toEqual([100, 100, 100])
    expect(lane.refused).toBe(received.length - 100)
    expect(lane.refused).toBeGreaterThan(40)
  })

  test('times the answers to its first requests as those to all others', async () => {
    const { meter } = await sendAll(4)
    const { percentiles } = meter.end().latency
    for (const [, us] of percentiles) expect(us).toBeGreaterThan(1)
  })

  test('waits while it is held, and is not done before it went on', async () => {
    let isHeld = true
    const { lane } = await sendAll(
      10,
      (held, meter) => {
        expect(meter.begun).toBe(0)
        queueMicrotask(() => {
          isHeld = false
          held.resume()
        })
      },
      () => isHeld
    )
    expect(lane.acknowledged).toBe(10)
  })
})
