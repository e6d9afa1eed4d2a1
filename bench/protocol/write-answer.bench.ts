/** Every message that is stored is answered with its place: what it costs to write that down as a frame. */

import { encodeText } from '../../src/layout/index.ts'
import type { Work } from '../../src/load/index.ts'
import { field } from '../../src/protocol/index.ts'
import { BufferPool } from '../../src/protocol/remoting/buffer-pool.ts'
import { FrameWriter } from '../../src/protocol/remoting/frame-writer.ts'
import { Outgoing, type Sink } from '../../src/protocol/remoting/outgoing.ts'
import { type Benchmark, compare } from '../harness.ts'

const F = {
  region: field('MSG_REGION'),
  trace: field('TRACE_ON'),
  messageId: field('msgId'),
  queueId: field('queueId'),
  queueOffset: field('queueOffset'),
  transactionId: field('transactionId')
}
/** So many answers leave in one write. */
const TURN = 64

export const writeAnswers: Benchmark = {
  name: 'protocol/write-answer',
  question: 'writing answers to sends as bytes, against JSON.stringify and joining buffers',
  run: options => {
    const count = options.smoke ? TURN : 16 * TURN
    return compare(writeAnswers, options, {
      reference: () => stringifying(count),
      candidate: () => writing(count),
      ratioMax: 0.35
    })
  }
}

/** As the broker has them: bytes for the one side, texts for the other. */
const messageIds = Array.from(
  { length: TURN },
  (_, index) => `7F00000100002A9F${(index * 1200).toString(16).padStart(16, '0')}`
)
const messageIdBytes = messageIds.map(encodeText)
const TRANSACTION_ID = '7F0000010A3C18B4AAC2123456789A00'
const TRANSACTION_ID_BYTES = encodeText(TRANSACTION_ID)
const QUEUE_OFFSET_FIRST = 1_234_567

function writing(count: number): Work {
  const sink = new HashingSink()
  const outgoing = new Outgoing(sink, pool, { sent: () => undefined, drained: () => undefined })
  for (let opaque = 0; opaque < count; opaque++) {
    writer
      .open(outgoing, 0, 1, opaque, undefined, nothing)
      .text(F.region, 'DefaultRegion')
      .text(F.trace, 'true')
      .utf8(F.messageId, messageIdBytes[opaque % TURN]!)
      .int(F.queueId, opaque & 7)
      .long(F.queueOffset, QUEUE_OFFSET_FIRST + opaque)
      .utf8(F.transactionId, TRANSACTION_ID_BYTES)
      .end()
    if (opaque % TURN === TURN - 1) outgoing.flush()
  }
  return { count, hash: sink.sum }
}
const writer = new FrameWriter()
const pool = new BufferPool()
const nothing = () => undefined

function stringifying(count: number): Work {
  const sink = new HashingSink()
  let turn: Buffer[] = []
  for (let opaque = 0; opaque < count; opaque++) {
    const header = Buffer.from(
      JSON.stringify({
        code: 0,
        extFields: {
          MSG_REGION: 'DefaultRegion',
          TRACE_ON: 'true',
          msgId: messageIds[opaque % TURN],
          queueId: String(opaque & 7),
          queueOffset: String(QUEUE_OFFSET_FIRST + opaque),
          transactionId: TRANSACTION_ID
        },
        flag: 1,
        language: 'JAVA',
        opaque,
        serializeTypeCurrentRPC: 'JSON',
        version: 479
      })
    )
    const head = Buffer.allocUnsafe(8)
    head.writeInt32BE(4 + header.length)
    head.writeInt32BE(header.length, 4)
    turn.push(head, header)
    if (opaque % TURN < TURN - 1) continue
    sink.write(Buffer.concat(turn))
    turn = []
  }
  return { count, hash: sink.sum }
}

/** Looks at few bytes: it stands for a socket, whose cost is not the question. */
class HashingSink implements Sink {
  readonly writableLength = 0
  sum = 0

  writeNow(bytes: Buffer, until: number): number {
    this.write(bytes.subarray(0, until))
    return until
  }

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 97) this.sum = (Math.imul(this.sum, 31) + bytes[at]!) | 0
  }
}
