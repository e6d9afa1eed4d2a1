/** Records as messages: checked, with topics and hosts remembered, against a plain reading of every field from a Buffer. */

import { decodeRecord, locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import type { Work } from '../../src/load/index.ts'
import { type Benchmark, compare } from '../harness.ts'
import { type SampleRecords, sampleRecords } from './sample-records.ts'

export const recordDecode: Benchmark = {
  name: 'layout/record-decode',
  question: 'decoding records of 1 KiB bodies into messages, against reading each field from a Buffer by hand',
  run: options => {
    const sample = sampleRecords({ count: options.smoke ? 64 : 4096, bodyBytes: 1024 })
    return compare(recordDecode, options, {
      reference: () => decodeByHand(sample),
      candidate: () => decodeByLayout(sample),
      ratioMax: 1
    })
  }
}

/** Right only for version 1 and two IPv4 hosts; trusts every length. */
function decodeByHand({ bytes }: SampleRecords): Work {
  const log = Buffer.from(bytes.buffer)
  const hostAt = (at: number) => ({ address: log.subarray(at, at + 4).join('.'), port: log.readInt32BE(at + 4) })
  let count = 0
  let sum = 0
  for (let at = 0; at < log.length; at += log.readInt32BE(at)) {
    const bodyAt = at + 88
    const topicAt = bodyAt + log.readInt32BE(at + 84) + 1
    const message = {
      topic: log.toString('utf8', topicAt, topicAt + log.readInt8(topicAt - 1)),
      queueId: log.readInt32BE(at + 12),
      queueOffset: Number(log.readBigInt64BE(at + 20)),
      physicalOffset: Number(log.readBigInt64BE(at + 28)),
      bornAtMs: Number(log.readBigInt64BE(at + 40)),
      bornHost: hostAt(at + 48),
      storedAtMs: Number(log.readBigInt64BE(at + 56)),
      storeHost: hostAt(at + 64),
      reconsumeTimes: log.readInt32BE(at + 72),
      body: Uint8Array.prototype.slice.call(log, bodyAt, topicAt - 1)
    }
    sum = (sum + sumOf(message)) | 0
    count++
  }
  return { count, hash: sum }
}

function decodeByLayout({ bytes, view }: SampleRecords): Work {
  const positions = new RecordPositions()
  let count = 0
  let sum = 0
  for (let at = 0; at < bytes.length; at += positions.totalBytes) {
    if (locate(view, at, bytes.length, positions) !== RECORD_WHOLE) break
    sum = (sum + sumOf(decodeRecord(bytes, view, positions))) | 0
    count++
  }
  return { count, hash: sum }
}

interface Summed {
  readonly topic: string
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly storedAtMs: number
  readonly storeHost: { readonly port: number }
  readonly body: Uint8Array
}

function sumOf({ topic, queueOffset, physicalOffset, storedAtMs, storeHost, body }: Summed): number {
  return (
    (topic.length + queueOffset + physicalOffset + (storedAtMs % 1000) + storeHost.port + body[0]! + body.length) | 0
  ) // No body is empty here.
}
