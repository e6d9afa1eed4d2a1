/**
 * Writes frames: the implementation of `HeaderWriter`. Headers are JSON, keys in the order of Java's writer, no spaces:
 *
 *   {"code":0,"extFields":{"queueId":"3"},"flag":1,"language":"JAVA","opaque":7,"remark":"…",
 *    "serializeTypeCurrentRPC":"JSON","version":479}
 *
 * One writer serves all connections of a thread, because a frame is written without a pause.
 *
 * Invariant: `outgoing.at` is where the next byte goes; the sizes at the head of the frame are filled in by its end.
 *
 * Not here: when the bytes go to the socket.
 */
import { assert } from '../../base/index.ts'
import { copyBytes, encodeText, FRAME_HEAD } from '../../layout/index.ts'
import type { BodyRoom, HeaderWriter } from './connection-api.ts'
import { type FieldName, field } from './field.ts'
import { INTEGER_BYTES_MAX, writeInteger } from './numerals.ts'
import type { Outgoing } from './outgoing.ts'
import { OWN_VERSION } from './versions.ts'

const BEGIN = encodeText('{"code":')
const FIELDS_BEGIN = encodeText(',"extFields":{')
const FIELDS_END_FLAG = encodeText('},"flag":')
const FLAG = encodeText(',"flag":')
const OPAQUE = encodeText(',"language":"JAVA","opaque":')
const REMARK = encodeText(',"remark":"')
const FINISH = encodeText(`,"serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`)

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const CONTROL_LIMIT = 0x20
const ASCII_LIMIT = 0x80
/** `\u0001` and, for text, the three bytes of most other characters. */
const ESCAPED_BYTES_MAX = 6
/** What a field needs beside its name and value: a comma before it and a quote after. */
const FIELD_EXTRA_BYTES = 2
/** Everything of a header but fields and remark. */
const HEADER_BYTES = 192

const TRUE = encodeText('true')
const FALSE = encodeText('false')
const HEX_DIGITS = encodeText('0123456789abcdef')
const encoder = new TextEncoder()

export class FrameWriter implements HeaderWriter {
  #outgoing: Outgoing | undefined
  #flag = 0
  #opaque = 0
  #remark: string | undefined
  #fieldCount = 0
  #ended: () => void = doNothing
  readonly #room: { bytes: Uint8Array; at: number } = { bytes: new Uint8Array(0), at: 0 }

  /** `ended` is called when the frame is whole, but for a body that its caller writes at once. */
  open(
    outgoing: Outgoing,
    code: number,
    flag: number,
    opaque: number,
    remark: string | undefined,
    ended: () => void
  ): this {
    assert(this.#outgoing === undefined, 'a frame is ended before the next one begins')
    this.#outgoing = outgoing
    this.#flag = flag
    this.#opaque = opaque
    this.#remark = remark
    this.#fieldCount = 0
    this.#ended = ended
    outgoing.ensure(FRAME_HEAD.sizeBytes + HEADER_BYTES)
    copyBytes(BEGIN, outgoing.bytes, outgoing.at + FRAME_HEAD.sizeBytes)
    outgoing.at = writeInteger(outgoing.bytes, outgoing.at + FRAME_HEAD.sizeBytes + BEGIN.length, code)
    return this
  }

  text(field: FieldName, value: string): this {
    const outgoing = this.#beginField(field, value.length * ESCAPED_BYTES_MAX)
    outgoing.at = writeJsonText(outgoing.bytes, outgoing.at, value)
    outgoing.bytes[outgoing.at++] = QUOTE
    return this
  }

  utf8(field: FieldName, value: Uint8Array, from = 0, until = value.length): this {
    const outgoing = this.#beginField(field, (until - from) * ESCAPED_BYTES_MAX)
    outgoing.at = writeJsonBytes(outgoing.bytes, outgoing.at, value, from, until)
    outgoing.bytes[outgoing.at++] = QUOTE
    return this
  }

  int(field: FieldName, value: number): this {
    return this.long(field, value)
  }

  long(field: FieldName, value: number): this {
    assert(Number.isSafeInteger(value), 'an integer field is written as one')
    const outgoing = this.#beginField(field, INTEGER_BYTES_MAX)
    const { bytes } = outgoing
    const at = writeInteger(bytes, outgoing.at, value)
    bytes[at] = QUOTE
    outgoing.at = at + 1
    return this
  }

  bool(field: FieldName, value: boolean): this {
    const outgoing = this.#beginField(field, FALSE.length)
    const word = value ? TRUE : FALSE
    copyBytes(word, outgoing.bytes, outgoing.at)
    outgoing.at += word.length
    outgoing.bytes[outgoing.at++] = QUOTE
    return this
  }

  named(name: string, value: string): this {
    return this.text(FIELD_NAME.test(name) ? field(name) : nameWithEscapes(name), value)
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
    outgoing.ensure(HEADER_BYTES + (remark === undefined ? 0 : remark.length * ESCAPED_BYTES_MAX) + bodyBytes)
    const { bytes } = outgoing
    let at = append(bytes, outgoing.at, this.#fieldCount > 0 ? FIELDS_END_FLAG : FLAG)
    at = writeInteger(bytes, at, this.#flag)
    at = append(bytes, at, OPAQUE)
    at = writeInteger(bytes, at, this.#opaque)
    if (remark !== undefined) {
      at = append(bytes, at, REMARK)
      at = writeJsonText(bytes, at, remark)
      bytes[at++] = QUOTE
    }
    at = append(bytes, at, FINISH)

    const { frameFrom } = outgoing
    const headerBytes = at - frameFrom - FRAME_HEAD.sizeBytes
    writeInt32(bytes, frameFrom, at - frameFrom - FRAME_HEAD.at.headerWord + bodyBytes)
    writeInt32(bytes, frameFrom + FRAME_HEAD.at.headerWord, headerBytes) // The high byte 0 says JSON.
    this.#room.bytes = bytes
    this.#room.at = at
    outgoing.at = outgoing.frameFrom = at + bodyBytes
    this.#outgoing = undefined
    this.#ended()
    return this.#room
  }

  /** Writes what stands before the value; then there is room for `valueBytes` and a quote. */
  #beginField({ opening }: FieldName, valueBytes: number): Outgoing {
    const outgoing = this.#outgoing
    assert(outgoing !== undefined, 'fields are written between the beginning and the end of a frame')
    outgoing.ensure(FIELDS_BEGIN.length + opening.length + valueBytes + FIELD_EXTRA_BYTES)
    const { bytes } = outgoing
    let at = outgoing.at
    if (this.#fieldCount++ === 0) at = append(bytes, at, FIELDS_BEGIN)
    else bytes[at++] = COMMA
    outgoing.at = append(bytes, at, opening)
    return outgoing
  }
}

const FIELD_NAME = /^[A-Za-z0-9_.-]+$/

function nameWithEscapes(name: string): FieldName {
  return { name, bytes: encodeText(name), opening: encodeText(`${JSON.stringify(name)}:"`) }
}

function append(bytes: Uint8Array, at: number, text: Uint8Array): number {
  copyBytes(text, bytes, at)
  return at + text.length
}

function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Returns the position after it. Most texts are names and numbers, which need neither escapes nor an encoder. */
function writeJsonText(bytes: Uint8Array, at: number, text: string): number {
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    if (code < CONTROL_LIMIT || code >= ASCII_LIMIT || code === QUOTE || code === BACKSLASH) {
      return at + encoder.encodeInto(JSON.stringify(text).slice(1, -1), bytes.subarray(at)).written
    }
    bytes[at + unit] = code
  }
  return at + text.length
}

function writeJsonBytes(bytes: Uint8Array, at: number, text: Uint8Array, from: number, until: number): number {
  for (let index = from; index < until; index++) {
    const byte = text[index]!
    if (byte === QUOTE || byte === BACKSLASH) {
      bytes[at++] = BACKSLASH
      bytes[at++] = byte
    } else if (byte < CONTROL_LIMIT) {
      at = append(bytes, at, UNICODE_ESCAPE)
      bytes[at++] = HEX_DIGITS[byte >> 4]!
      bytes[at++] = HEX_DIGITS[byte & 0xf]!
    } else bytes[at++] = byte
  }
  return at
}
const UNICODE_ESCAPE = encodeText('\\u00')

function doNothing(): void {
  // Before the first frame.
}
