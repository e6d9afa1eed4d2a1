/**
 * Writes frames: the implementation of `HeaderWriter`. Headers are JSON, keys in the order of Java's writer, no spaces:
 *
 *   {"code":0,"extFields":{"queueId":"3"},"flag":1,"language":"JAVA","opaque":7,"remark":"…",
 *    "serializeTypeCurrentRPC":"JSON","version":479}
 *
 * One writer serves all connections of a thread, because a frame is written without a pause.
 *
 * Invariants:
 * - `#at` is where the next byte goes, in the room of the connection that the frame is for; the connection hears of it
 *   when it has to make more room, and at the end
 * - the sizes at the head of a frame are filled in by its end: without one the connection never sends it
 *
 * Not here: when the bytes go to the socket.
 */
import { assert } from '../../base/index.ts'
import { FRAME_HEAD, FRAME_LENGTH_BYTES } from '../../layout/index.ts'
import { ASCII_SLACK_BYTES, type Ascii, ascii, writeAscii } from './ascii.ts'
import { NO_ROOM, type Room } from './buffer-pool.ts'
import type { BodyRoom, HeaderWriter } from './connection-api.ts'
import { type FieldName, field } from './field.ts'
import { ESCAPED_BYTES_MAX, writeEscaped, writeEscapedBytes } from './json-escape.ts'
import { INTEGER_BYTES_MAX, writeInteger } from './numerals.ts'
import type { Outgoing } from './outgoing.ts'
import { OWN_VERSION } from './versions.ts'

const BEGIN = ascii('{"code":')
const FIELDS_BEGIN = ascii(',"extFields":{')
/** What the opening of a field has before its name, and the first field must not have. */
const NOT_BEFORE_FIRST = '",'.length
const FIELDS_END = ascii('"}')
const FLAG = ascii(',"flag":')
const OPAQUE = ascii(',"language":"JAVA","opaque":')
const REMARK = ascii(',"remark":"')
const REMARK_END = ascii('"')
const FINISH = ascii(`,"serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`)
const TRUE = ascii('true')
const FALSE = ascii('false')

const COLON = 0x3a
const BRACE_OPEN = 0x7b

/** Everything of a header but fields and remark. */
const HEADER_BYTES = 192 + ASCII_SLACK_BYTES

export class FrameWriter implements HeaderWriter {
  #outgoing: Outgoing | undefined
  #room: Room = NO_ROOM
  #at = 0
  #flag = 0
  #opaque = 0
  #remark: string | undefined
  #fieldCount = 0
  #ended: () => void = doNothing
  readonly #bodyRoom: { bytes: Uint8Array; at: number } = { bytes: NO_ROOM.bytes, at: 0 }

  /** `ended` is called when the frame is whole, but for a body that its caller writes at once. */
  open(
    outgoing: Outgoing,
    code: number,
    flag: number,
    opaque: number,
    remark: string | undefined,
    ended: () => void
  ): this {
    if (this.#outgoing !== undefined) this.#outgoing.at = this.#outgoing.frameFrom // Its writer failed before its end.
    this.#outgoing = outgoing
    this.#flag = flag
    this.#opaque = opaque
    this.#remark = remark
    this.#fieldCount = 0
    this.#ended = ended
    outgoing.ensure(FRAME_HEAD.sizeBytes + HEADER_BYTES)
    this.#room = outgoing.room
    const at = writeAscii(this.#room.view, outgoing.at + FRAME_HEAD.sizeBytes, BEGIN)
    this.#at = writeInteger(this.#room.bytes, at, code)
    return this
  }

  text(field: FieldName, value: string): this {
    const at = this.#beginField(field, value.length * ESCAPED_BYTES_MAX)
    this.#at = writeEscaped(this.#room.bytes, at, value)
    return this
  }

  utf8(field: FieldName, value: Uint8Array, from = 0, until = value.length): this {
    const at = this.#beginField(field, (until - from) * ESCAPED_BYTES_MAX)
    this.#at = writeEscapedBytes(this.#room.bytes, at, value, from, until)
    return this
  }

  int(field: FieldName, value: number): this {
    return this.long(field, value)
  }

  long(field: FieldName, value: number): this {
    assert(Number.isSafeInteger(value), 'an integer field is written as one')
    const at = this.#beginField(field, INTEGER_BYTES_MAX)
    this.#at = writeInteger(this.#room.bytes, at, value)
    return this
  }

  bool(field: FieldName, value: boolean): this {
    const at = this.#beginField(field, FALSE.length)
    this.#at = writeAscii(this.#room.view, at, value ? TRUE : FALSE)
    return this
  }

  named(name: string, value: string): this {
    return this.text(field(name), value)
  }

  end(): void {
    this.endHeader(0)
  }

  endWith(body: Uint8Array): void {
    const { bytes, at } = this.endHeader(body.length)
    bytes.set(body, at)
  }

  endHeader(bodyBytes: number): BodyRoom {
    const outgoing = this.#outgoing
    assert(outgoing !== undefined, 'a frame is ended once')
    const remark = this.#remark
    this.#ensure(HEADER_BYTES + (remark === undefined ? 0 : remark.length * ESCAPED_BYTES_MAX) + bodyBytes)
    const { bytes, view } = this.#room
    let at = this.#fieldCount > 0 ? writeAscii(view, this.#at, FIELDS_END) : this.#at
    at = writeAscii(view, at, FLAG)
    at = writeInteger(bytes, at, this.#flag)
    at = writeAscii(view, at, OPAQUE)
    at = writeInteger(bytes, at, this.#opaque)
    if (remark !== undefined)
      at = writeAscii(view, writeEscaped(bytes, writeAscii(view, at, REMARK), remark), REMARK_END)
    at = writeAscii(view, at, FINISH)

    const { frameFrom } = outgoing
    const headerBytes = at - frameFrom - FRAME_HEAD.sizeBytes
    view.setInt32(frameFrom, FRAME_HEAD.sizeBytes - FRAME_LENGTH_BYTES + headerBytes + bodyBytes)
    view.setInt32(frameFrom + FRAME_HEAD.at.headerWord, headerBytes) // The high byte 0 says JSON.
    this.#bodyRoom.bytes = bytes
    this.#bodyRoom.at = at
    outgoing.at = outgoing.frameFrom = at + bodyBytes
    this.#outgoing = undefined
    this.#room = NO_ROOM
    this.#ended()
    return this.#bodyRoom
  }

  /** Writes what stands before the value, of which there may then be `valueBytes`. Returns where it begins. */
  #beginField({ opening }: FieldName, valueBytes: number): number {
    this.#ensure(FIELDS_BEGIN.length + opening.length + valueBytes + ASCII_SLACK_BYTES)
    if (this.#fieldCount++ > 0) return writeAscii(this.#room.view, this.#at, opening)
    return this.#beginFirstField(opening)
  }

  /** The opening lies over the end of what begins the fields; what it has too much is then put right. */
  #beginFirstField(opening: Ascii): number {
    const { bytes, view } = this.#room
    const nameAt = writeAscii(view, this.#at, FIELDS_BEGIN)
    const end = writeAscii(view, nameAt - NOT_BEFORE_FIRST, opening)
    bytes[nameAt - 2] = COLON
    bytes[nameAt - 1] = BRACE_OPEN
    return end
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes <= this.#room.bytes.length) return
    const outgoing = this.#outgoing
    assert(outgoing !== undefined, 'a frame is written between its beginning and its end')
    outgoing.at = this.#at
    outgoing.ensure(bytes)
    this.#at = outgoing.at
    this.#room = outgoing.room
  }
}

function doNothing(): void {
  // Before the first frame.
}
