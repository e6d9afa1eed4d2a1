/** Every message that is sent arrives with a header of 14 fields: what it costs to know what they say. */
import type { Work } from '../../src/load/index.ts'
import { readSend, type SendFields } from '../../src/protocol/index.ts'
import { REMOTING_LIMITS } from '../../src/protocol/remoting/limits.ts'
import { ReceivedHeader } from '../../src/protocol/remoting/received-header.ts'
import { type Benchmark, compare } from '../harness.ts'
import { BODY_BYTES, sendFrame } from './sample-frames.ts'

export const readSends: Benchmark = {
  name: 'protocol/read-send',
  question: 'reading requests to store 1 KiB by scanning their bytes, against JSON.parse of the header',
  run: options => {
    const count = options.smoke ? 8 : 512
    const frames = Buffer.concat(
      Array.from({ length: count }, (_, opaque) => sendFrame(opaque, new Uint8Array(BODY_BYTES)))
    )
    // The reader undoes escapes where they lie, so each run gets the bytes anew: as from a socket.
    const bytes = Buffer.alloc(frames.length)
    const anew = () => {
      bytes.set(frames)
      return bytes
    }
    return compare(readSends, options, {
      reference: () => parsing(anew()),
      candidate: () => scanning(anew()),
      ratioMax: 0.6
    })
  }
}

function scanning(bytes: Buffer): Work {
  const header = new ReceivedHeader()
  const fields = emptyFields()
  let count = 0
  let sum = 0
  for (let at = 0; at < bytes.length; count++) {
    const end = at + 4 + bytes.readInt32BE(at)
    header.read(bytes, at, end, REMOTING_LIMITS.fieldCountMax)
    readSend(header, fields)
    sum = (sum + checkOf(header.opaque, fields)) | 0
    at = end
  }
  return { count, hash: sum }
}

function parsing(bytes: Buffer): Work {
  const fields = emptyFields()
  let count = 0
  let sum = 0
  for (let at = 0; at < bytes.length; count++) {
    const end = at + 4 + bytes.readInt32BE(at)
    const bodyAt = at + 8 + (bytes.readInt32BE(at + 4) & 0xffffff)
    const { opaque, version, extFields } = JSON.parse(bytes.toString('utf8', at + 8, bodyAt))
    fields.producerGroup = extFields.a
    fields.topic = extFields.b
    fields.defaultTopic = extFields.c
    fields.defaultTopicQueueNums = Number(extFields.d)
    fields.queueId = Number(extFields.e)
    fields.sysFlag = Number(extFields.f)
    fields.bornAtMs = Number(extFields.g)
    fields.flag = Number(extFields.h)
    fields.properties = Buffer.from(extFields.i ?? '')
    fields.reconsumeTimes = Number(extFields.j ?? 0)
    fields.maxReconsumeTimes = Number(extFields.l ?? -1)
    fields.isBatch = extFields.m === 'true'
    fields.body = bytes.subarray(bodyAt, end)
    fields.clientVersion = version
    sum = (sum + checkOf(opaque, fields)) | 0
    at = end
  }
  return { count, hash: sum }
}

function emptyFields(): SendFields {
  return {
    producerGroup: '',
    topic: '',
    defaultTopic: '',
    defaultTopicQueueNums: 0,
    queueId: 0,
    sysFlag: 0,
    bornAtMs: 0,
    flag: 0,
    properties: new Uint8Array(0),
    reconsumeTimes: 0,
    maxReconsumeTimes: 0,
    isBatch: false,
    body: new Uint8Array(0),
    clientVersion: 0
  }
}

/** Something of every field. */
function checkOf(opaque: number, fields: SendFields): number {
  const { properties, body } = fields
  const texts = fields.producerGroup.length + fields.topic.length + fields.defaultTopic.length
  const numbers = fields.defaultTopicQueueNums + fields.queueId + fields.sysFlag + fields.bornAtMs + fields.flag
  const times = fields.reconsumeTimes + fields.maxReconsumeTimes + fields.clientVersion + Number(fields.isBatch)
  return opaque + texts + numbers + times + properties.length + properties[properties.length - 1]! + body.length
}
