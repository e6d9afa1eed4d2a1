/**
 * Frames of the remoting protocol: a length, a word that says how the header is written, the header, the body.
 *
 * Not here: headers in JSON, and the texts of binary ones (protocol/remoting/).
 */
import { int8, int16, int32, layout } from './layout.ts'

export const FRAME_HEAD = layout({
  length: int32('bytes of the frame after this field'),
  headerWord: int32('how the header is written (high byte: 0 JSON, 1 binary) and its size (the other three bytes)')
})

/** The length does not count itself. */
export const FRAME_LENGTH_BYTES = FRAME_HEAD.at.headerWord

export const HEADER_JSON = 0
export const HEADER_BINARY = 1
/** The header's size within the header word. */
export const HEADER_BYTES_MASK = 0xff_ffff

/**
 * What a binary header begins with. Then come the remark and all fields, each an int32 of bytes before it; a field is an
 * int16 and its name, an int32 and its value.
 */
export const BINARY_HEADER = layout({
  code: int16('what is asked for, or how it was answered'),
  language: int8('of the sender'),
  version: int16('of the sender'),
  opaque: int32('number of the request, echoed in the answer'),
  flag: int32('bit 0: an answer; bit 1: not to be answered')
})

export const FLAG_RESPONSE = 1
export const FLAG_ONEWAY = 2
