/**
 * Reading answers with as little work as can be: the code and the opaque are found in the header's bytes, no JSON is
 * parsed and no text made unless the code is one that should not have come.
 *
 * Both brokers write keys in alphabetical order, but nothing here depends on it: where the opaque is not where it was in
 * the answer before, it is searched for.
 */
import { loadFailure } from './failure.ts'

const PREFIX_BYTES = 8
const CODE = Buffer.from('"code":')
const OPAQUE = Buffer.from('"opaque":')
const MINUS = 0x2d
const ZERO = 0x30

/** Where one frame lies in the bytes that were received, and what its header says. Reused: valid until the next scan. */
export class Answer {
  code = 0
  opaque = 0
  headerAt = 0
  bodyAt = 0
  /** Behind the frame. */
  until = 0
  /** From the end of the header back to the digits of the opaque, as it was last. */
  #opaqueFromEnd = 0
  #codeFromStart = 0

  /** Reads the frame at `at`, or says how many bytes it must have at least. */
  scan(bytes: Buffer, at: number, receivedUntil: number): boolean {
    if (receivedUntil - at < PREFIX_BYTES) return false
    const until = at + 4 + bytes.readInt32BE(at)
    if (until > receivedUntil) return false
    const headerWord = bytes.readInt32BE(at + 4)
    if (headerWord >>> 24 !== 0) throw loadFailure('an answer has a header that is not JSON')
    this.headerAt = at + PREFIX_BYTES
    this.bodyAt = this.headerAt + headerWord
    this.until = until
    this.#codeFromStart = this.#placeOf(bytes, CODE, this.headerAt + this.#codeFromStart) - this.headerAt
    this.code = numberAt(bytes, this.headerAt + this.#codeFromStart)
    const opaqueAt = this.#placeOf(bytes, OPAQUE, this.bodyAt - this.#opaqueFromEnd)
    this.#opaqueFromEnd = this.bodyAt - opaqueAt
    this.opaque = numberAt(bytes, opaqueAt)
    return true
  }

  /** The value of a header field that is a number in a text, such as `nextBeginOffset`. */
  field(bytes: Buffer, name: Buffer): number {
    const at = bytes.indexOf(name, this.headerAt)
    if (at === -1 || at >= this.bodyAt) throw loadFailure(`an answer has no field ${name}: ${this.header(bytes)}`)
    return numberAt(bytes, at + name.length)
  }

  header(bytes: Buffer): string {
    return bytes.toString('utf8', this.headerAt, this.bodyAt)
  }

  /** The first byte of the number behind `name`; `guess` is where it was in the answer before. */
  #placeOf(bytes: Buffer, name: Buffer, guess: number): number {
    const nameAt = guess - name.length
    if (nameAt >= this.headerAt && guess < this.bodyAt && endsAlike(bytes, nameAt, name)) return guess
    const at = bytes.indexOf(name, this.headerAt)
    if (at === -1 || at >= this.bodyAt) throw loadFailure(`an answer has no ${name}: ${this.header(bytes)}`)
    return at + name.length
  }
}

/** What `Answer.field` takes: the name as it stands in the header, up to the digits. */
export const fieldName = (name: string) => Buffer.from(`"${name}":"`)

function endsAlike(bytes: Buffer, at: number, name: Buffer): boolean {
  for (let index = 0; index < name.length; index++) if (bytes[at + index] !== name[index]) return false
  return true
}

function numberAt(bytes: Buffer, at: number): number {
  const isNegative = bytes[at] === MINUS
  let value = 0
  for (let digit = at + Number(isNegative); ; digit++) {
    const ten = bytes[digit]! - ZERO // A number never ends its header, so there is a byte.
    if (!(ten >= 0 && ten <= 9)) return isNegative ? -value : value
    value = value * 10 + ten
  }
}
