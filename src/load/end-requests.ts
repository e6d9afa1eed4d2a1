/** Commits of half messages, ready as bytes one behind the other, as ReadyRequests has the messages themselves. */
import { COMMIT, OPAQUE_FIRST, PRODUCER_GROUP, REQUEST_CODE, requestFrame, writeOpaque } from './request-frame.ts'

/** Opaques from here on are those of commits: so many half messages one connection sends at most. */
const END_OPAQUE_FIRST = OPAQUE_FIRST + 600_000_000
/** Zeros before a number change nothing, so that one of any size fits over another. */
const NUMBER_DIGITS = 15
const OFFSET_PLACE = '9'.repeat(NUMBER_DIGITS)
const POSITION_PLACE = '8'.repeat(NUMBER_DIGITS)

export class EndRequests {
  readonly count: number
  readonly #bytes: Buffer
  readonly #frameBytes: number
  readonly #opaqueAt: number
  readonly #offsetAt: number
  readonly #positionAt: number

  constructor(count: number) {
    this.count = count
    const frame = requestFrame(
      REQUEST_CODE.endTransaction,
      {
        bname: 'broker-a',
        commitLogOffset: POSITION_PLACE,
        commitOrRollback: COMMIT,
        fromTransactionCheck: false,
        msgId: '7F00000100000000000000000000000000',
        producerGroup: PRODUCER_GROUP,
        topic: 'bench-0',
        tranStateTableOffset: OFFSET_PLACE,
        transactionId: '7F00000100000000000000000000000000'
      },
      END_OPAQUE_FIRST
    )
    this.#frameBytes = frame.length
    this.#bytes = Buffer.concat(Array.from({ length: count }, () => frame))
    this.#opaqueAt = frame.indexOf(String(END_OPAQUE_FIRST))
    this.#offsetAt = frame.indexOf(OFFSET_PLACE)
    this.#positionAt = frame.indexOf(POSITION_PLACE)
  }

  /** Which commit of its connection, counted from 0, an answer is to; negative if it is to something else. */
  static numberOf(opaque: number): number {
    return opaque - END_OPAQUE_FIRST
  }

  /** Makes commit `number` of the connection ready in its place. */
  prepare(number: number, halfOffset: number, position: number): void {
    const from = (number % this.count) * this.#frameBytes
    writeOpaque(this.#bytes, from + this.#opaqueAt, END_OPAQUE_FIRST + number)
    this.#bytes.write(String(halfOffset).padStart(NUMBER_DIGITS, '0'), from + this.#offsetAt, 'latin1')
    this.#bytes.write(String(position).padStart(NUMBER_DIGITS, '0'), from + this.#positionAt, 'latin1')
  }

  /** The bytes of commits `[from, until)`, which lie in one piece: no place is passed over its end. */
  bytesOf(from: number, until: number): Uint8Array {
    const first = (from % this.count) * this.#frameBytes
    return this.#bytes.subarray(first, first + (until - from) * this.#frameBytes)
  }
}
