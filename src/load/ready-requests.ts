/**
 * The requests of one connection, ready as bytes and one behind the other, several times as many as may be in flight.
 *
 * To send the next one is to write three numbers over those that stand there: opaque, counter of the unique key, time of
 * birth. Those that go out together are one piece of memory and one write. A request's place is used again only once it
 * has been answered, which is when the socket no longer needs its bytes.
 */

import { bodies } from './bodies.ts'
import { loadFailure } from './failure.ts'
import {
  BORN_PLACE,
  batchBody,
  COUNTER_PLACE,
  OPAQUE_FIRST,
  REQUEST_CODE,
  requestFrame,
  type SendTarget,
  sendFields,
  UNIQUE_KEY_HEAD_LENGTH,
  writeCounter,
  writeOpaque
} from './request-frame.ts'

export interface SendShape {
  readonly bodyBytes: number
  /** Requests in flight on one connection. */
  readonly window: number
  /** Messages of one request; 1 is no batch. */
  readonly batchCount: number
  /** Requests go to them in turn. */
  readonly targets: readonly SendTarget[]
  /** Further properties of each message, encoded. */
  readonly properties?: string
  readonly sysFlag?: number
}

/** A request that is answered late does not hold up the others until so many later ones have been. */
const PLACES_PER_WINDOW = 4
const PLACES_MIN = 16
/** The first four bytes of a body say which it is; the number of the message may follow them. */
export const NUMBER_AT = 4

export class ReadyRequests {
  readonly count: number
  readonly #bytes: Buffer
  readonly #places: readonly Place[]
  readonly #born = Buffer.from(BORN_PLACE)
  #bornMs = 0

  constructor({ bodyBytes, window, batchCount, targets, properties = '', sysFlag = 0 }: SendShape, lane: number) {
    const wanted = Math.max(PLACES_MIN, window * PLACES_PER_WINDOW)
    this.count = Math.ceil(wanted / targets.length) * targets.length
    const body = bodies(bodyBytes)
    const bodyOf = (index: number) => body[index & (body.length - 1)]! // Inside by the mask.
    const uniqueKeyHead = `7F000001${lane.toString(16).padStart(4, '0')}`
      .padEnd(UNIQUE_KEY_HEAD_LENGTH, 'A')
      .toUpperCase()
    const frames = Array.from({ length: this.count }, (_, index) => {
      const target = targets[(lane + index) % targets.length]! // Inside by the remainder.
      const fields = sendFields(target, { uniqueKeyHead, isBatch: batchCount > 1, more: properties, sysFlag })
      if (batchCount === 1) return requestFrame(REQUEST_CODE.sendV2, fields, OPAQUE_FIRST, bodyOf(index))
      const batch = Array.from({ length: batchCount }, (_, at) => bodyOf(index * batchCount + at))
      return requestFrame(REQUEST_CODE.sendBatch, fields, OPAQUE_FIRST, batchBody(batch, uniqueKeyHead))
    })
    this.#bytes = Buffer.concat(frames)
    let from = 0
    this.#places = frames.map(frame => {
      const place = placeOf(frame, { from, bodyBytes })
      from = place.until
      return place
    })
  }

  /** Makes request `number` of the connection, counted from 0, ready in its place; a number in its body if wanted. */
  prepare(number: number, nowMs: number, numberInBody?: number): void {
    const place = this.#places[number % this.count]! // Inside by the remainder.
    writeOpaque(this.#bytes, place.opaqueAt, OPAQUE_FIRST + number)
    writeCounter(this.#bytes, place.counterAt, number)
    if (nowMs !== this.#bornMs) {
      this.#bornMs = nowMs
      this.#born.write(String(nowMs), 'latin1')
    }
    for (let digit = 0; digit < BORN_PLACE.length; digit++) this.#bytes[place.bornAt + digit] = this.#born[digit]! // As long.
    if (numberInBody !== undefined) this.#bytes.writeUInt32LE(numberInBody, place.bodyAt + NUMBER_AT)
  }

  /** The bytes of requests `[from, until)`, which lie in one piece: no place is passed over its end. */
  bytesOf(from: number, until: number): Uint8Array {
    const first = this.#places[from % this.count]! // Both inside by the remainder.
    const last = this.#places[(until - 1) % this.count]!
    return this.#bytes.subarray(first.from, last.until)
  }
}

interface Place {
  readonly from: number
  readonly until: number
  readonly opaqueAt: number
  readonly counterAt: number
  readonly bornAt: number
  /** Of a single message. */
  readonly bodyAt: number
}

function placeOf(frame: Buffer, { from, bodyBytes }: { from: number; bodyBytes: number }): Place {
  const find = (text: string) => {
    const at = frame.indexOf(text)
    if (at === -1) throw loadFailure(`a request without ${text}`)
    return from + at
  }
  return {
    from,
    until: from + frame.length,
    opaqueAt: find(String(OPAQUE_FIRST)),
    counterAt: find(`${COUNTER_PLACE}\\u0002`),
    bornAt: find(BORN_PLACE),
    bodyAt: from + frame.length - bodyBytes
  }
}
