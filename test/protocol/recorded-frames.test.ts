/** Frames that the Java client, of two releases, and Apache's servers exchanged (test/golden/README.md): read as they do. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { freshSeed, seededRandom } from '../../src/base/index.ts'
import { checksum31 } from '../../src/layout/index.ts'
import { REMOTING_LIMITS, REQUEST, readSend, type SendFields } from '../../src/protocol/index.ts'
import { ReceivedHeader } from '../../src/protocol/remoting/received-header.ts'
import { listening } from './peers.ts'

interface Listed {
  readonly code: number
  readonly flag: number
  readonly opaque: number
  readonly language: string
  readonly version: number
  readonly remark?: string
  readonly fields?: Readonly<Record<string, string>>
  readonly bodyBytes: number
  readonly bodyCrc32: number
  readonly at: number
  readonly bytes: number
}

const RECORDINGS = ['java-4.9.8-json', 'java-4.9.8-binary', 'java-5.5.0-json', 'java-5.5.0-binary']
const golden = (name: string) => readFileSync(new URL(`../golden/frames/${name}`, import.meta.url))
const listed = (recording: string) => JSON.parse(golden(`${recording}.json`).toString()) as Listed[]

describe.each(RECORDINGS)('the frames of %s', recording => {
  const stream = golden(`${recording}.bin`)
  const list = listed(recording)

  test('read as in Java: numbers, fields, remarks and bodies', () => {
    expect(list.length).toBeGreaterThan(50)
    for (const expected of list) expect(everything(readFrame(stream, expected))).toEqual(inShort(expected))
  })

  test('arrive whole and in order, however the stream is cut', async () => {
    const seed = freshSeed()
    const random = seededRandom(seed)
    const arrived: unknown[] = []
    await using place = await listening({
      onRequest: request => {
        arrived.push(everything(request as ReceivedHeader))
      }
    })
    const peer = await place.raw()
    for (let at = 0; at < stream.length; ) {
      const piece = stream.subarray(at, at + random.between(1, 300))
      peer.send(piece)
      at += piece.length
      if (random.chance(0.5)) await new Promise(setImmediate)
    }
    const requests = list.filter(({ flag }) => (flag & 1) === 0)
    while (arrived.length < requests.length) await new Promise(setImmediate)
    expect(arrived, `seed ${seed}`).toEqual(requests.map(inShort))
  })

  test('that send messages give their fields under either set of names', () => {
    const sends = list.filter(({ code, flag }) => (flag & 1) === 0 && SENDS.includes(code))
    expect(sends.length).toBeGreaterThan(2)
    for (const expected of sends) {
      const fields = {} as SendFields
      readSend(readFrame(stream, expected), fields)
      const { a, b, c, d, e, f, g, h, i = '', j = '0', l = '-1', m } = expected.fields!
      expect({ ...fields, properties: Buffer.from(fields.properties).toString(), body: fields.body.length }).toEqual({
        producerGroup: a,
        topic: b,
        defaultTopic: c,
        defaultTopicQueueNums: Number(d),
        queueId: Number(e),
        sysFlag: Number(f),
        bornAtMs: Number(g),
        flag: Number(h),
        properties: i,
        reconsumeTimes: Number(j),
        maxReconsumeTimes: Number(l),
        isBatch: m === 'true',
        body: expected.bodyBytes,
        clientVersion: expected.version
      })
    }
  })
})

const SENDS: readonly number[] = [REQUEST.SEND_MESSAGE_V2, REQUEST.SEND_BATCH_MESSAGE]

function readFrame(stream: Buffer, { at, bytes }: Listed): ReceivedHeader {
  const own = Buffer.from(stream.subarray(at, at + bytes)) // The reader undoes escapes in place.
  const header = new ReceivedHeader()
  expect(header.read(own, 0, own.length, REMOTING_LIMITS.fieldCountMax)).toBeUndefined()
  return header
}

function everything(header: ReceivedHeader) {
  const fields: Record<string, string> = {}
  header.eachField((name, value) => {
    fields[name] = value
  })
  const { code, flag, opaque, language, version, remark, body } = header
  return { code, flag, opaque, language, version, remark, fields, bodyBytes: body.length, bodyCrc: checksum31(body) }
}

function inShort({ code, flag, opaque, language, version, remark, fields, bodyBytes, bodyCrc32 }: Listed) {
  const bodyCrc = bodyCrc32 & 0x7fff_ffff
  return { code, flag, opaque, language, version, remark, fields: fields ?? {}, bodyBytes, bodyCrc }
}
