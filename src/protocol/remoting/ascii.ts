/**
 * Constant texts of frames, written four bytes at a time: headers are mostly such texts, and byte by byte they take twice
 * as long (bench/protocol/write-answer).
 *
 * The last word may reach up to three bytes beyond the text. What follows is written after it, so that is no harm, as long
 * as there is room: `ASCII_SLACK_BYTES` are to be left at the end of a buffer.
 */
import { encodeText } from '../../layout/index.ts'

const WORD_BYTES = 4
export const ASCII_SLACK_BYTES = WORD_BYTES - 1

/** It may hold other characters than ASCII, too: what counts is that its bytes never change. */
export interface Ascii {
  readonly length: number
  /** As a view reads them with the first byte lowest, so that the fewest instructions write them. */
  readonly words: Int32Array
}

export function ascii(text: string): Ascii {
  const bytes = encodeText(text)
  const words = new Int32Array(Math.ceil(bytes.length / WORD_BYTES))
  const padded = new DataView(new ArrayBuffer(words.length * WORD_BYTES))
  for (const [index, byte] of bytes.entries()) padded.setUint8(index, byte)
  for (const index of words.keys()) words[index] = padded.getInt32(index * WORD_BYTES, true)
  return { length: bytes.length, words }
}

/** Returns the position after the text. */
export function writeAscii(view: DataView, at: number, { length, words }: Ascii): number {
  for (let index = 0, to = at; index < words.length; index++, to += WORD_BYTES) view.setInt32(to, words[index]!, true)
  return at + length
}
