/** Every pull comes with a header of which a handful of fields count: finding them in the bytes, or having all of them parsed. */
import type { Work } from '../../src/load/index.ts'
import { field } from '../../src/protocol/index.ts'
import { REMOTING_LIMITS } from '../../src/protocol/remoting/limits.ts'
import { ReceivedHeader } from '../../src/protocol/remoting/received-header.ts'
import { type Benchmark, compare } from '../harness.ts'
import { pullFrame } from './sample-frames.ts'

const F = { topic: field('topic'), queueId: field('queueId'), offset: field('queueOffset'), count: field('maxMsgNums') }

export const headerScan: Benchmark = {
  name: 'protocol/header-scan',
  question: 'finding four fields in the headers of pulls, against JSON.parse of each',
  run: options => {
    const count = options.smoke ? 8 : 1024
    const frames = Buffer.concat(Array.from({ length: count }, (_, opaque) => pullFrame(opaque)))
    return compare(headerScan, options, {
      reference: () => parsing(frames),
      candidate: () => scanning(frames),
      ratioMax: 0.7
    })
  }
}

function scanning(bytes: Buffer): Work {
  const header = new ReceivedHeader()
  let count = 0
  let sum = 0
  for (let at = 0; at < bytes.length; count++) {
    const end = at + 4 + bytes.readInt32BE(at)
    header.read(bytes, at, end, REMOTING_LIMITS.fieldCountMax)
    const topic = header.interned(F.topic) ?? ''
    sum = (sum + header.opaque + topic.length + header.int(F.queueId) + header.long(F.offset) + header.int(F.count)) | 0
    at = end
  }
  return { count, hash: sum }
}

function parsing(bytes: Buffer): Work {
  let count = 0
  let sum = 0
  for (let at = 0; at < bytes.length; count++) {
    const end = at + 4 + bytes.readInt32BE(at)
    const { opaque, extFields } = JSON.parse(bytes.toString('utf8', at + 8, at + 8 + bytes.readInt32BE(at + 4)))
    const { topic, queueId, queueOffset, maxMsgNums } = extFields
    sum = (sum + opaque + topic.length + Number(queueId) + Number(queueOffset) + Number(maxMsgNums)) | 0
    at = end
  }
  return { count, hash: sum }
}
