/**
 * One frame as received: the implementation of `RemotingHeader` over the bytes of the frame.
 *
 * One object serves all frames of a thread, one after the other; an answer to a request of ours gets an object and bytes
 * of its own. Numbers are read from their digits, strings made only when asked for.
 *
 * Invariant: `read` has found every size in the frame to be inside it before anything is read by it.
 */
import { VarveError } from '../../base/index.ts'
import {
  FLAG_ONEWAY,
  FLAG_RESPONSE,
  FRAME_HEAD,
  HEADER_BINARY,
  HEADER_BYTES_MASK,
  HEADER_JSON,
  readText
} from '../../layout/index.ts'
import { int32At, readBinaryHeader } from './binary-header.ts'
import type { RemotingHeader } from './connection-api.ts'
import type { FieldName } from './field.ts'
import type { FieldTable } from './field-table.ts'
import { type HeaderFault, HeaderParts } from './header-parts.ts'
import { InternTable } from './intern.ts'
import { readJsonHeader } from './json-header.ts'
import { languageOfBytes, languageOfCode } from './languages.ts'
import type { RemotingLimits } from './limits.ts'
import { INT32_MAX, INT32_MIN, INT64_LIMIT, integerIn } from './numerals.ts'

export type FrameFault =
  | HeaderFault
  | 'the header is too large'
  | 'the header is longer than its frame'
  | 'unknown form of header'

/** A header word that is not to be followed, or undefined. `length` is what the frame says of itself. */
export function headerWordFault(length: number, word: number, limits: RemotingLimits): FrameFault | undefined {
  const form = word >>> 24
  const headerBytes = word & HEADER_BYTES_MASK
  if (form !== HEADER_JSON && form !== HEADER_BINARY) return 'unknown form of header'
  if (headerBytes > length - WORD_BYTES) return 'the header is longer than its frame'
  if (headerBytes > limits.headerBytesMax) return 'the header is too large'
  return undefined
}
const WORD_BYTES = FRAME_HEAD.sizeBytes - FRAME_HEAD.at.headerWord

const NO_BYTES = new Uint8Array(0)
const interned = new InternTable()

export class ReceivedHeader implements RemotingHeader {
  begunMs = 0
  readonly #parts = new HeaderParts()
  readonly #fields: FieldTable = this.#parts.fields
  #bytes: Uint8Array = NO_BYTES
  /** Of the same bytes, for what goes by words. */
  #view: DataView = new DataView(NO_BYTES.buffer)
  /** Where they lie: each view of a part would ask for it again. */
  #buffer: ArrayBufferLike = NO_BYTES.buffer
  #bytesFrom = 0
  #bodyFrom = 0
  #bodyUntil = 0
  #body: Uint8Array | undefined

  /** Reads the frame in `[from, until)` of `bytes`, whose length and header word have been checked. */
  read(bytes: Uint8Array, from: number, until: number, fieldCountMax: number): HeaderFault | undefined {
    const word = int32At(bytes, from + FRAME_HEAD.at.headerWord)
    const headerFrom = from + FRAME_HEAD.sizeBytes
    const headerUntil = headerFrom + (word & HEADER_BYTES_MASK)
    if (bytes !== this.#bytes) this.#look(bytes)
    this.#parts.reset(bytes)
    this.#bodyFrom = headerUntil
    this.#bodyUntil = until
    this.#body = undefined
    return word >>> 24 === HEADER_JSON
      ? readJsonHeader(bytes, this.#view, headerFrom, headerUntil, this.#parts, fieldCountMax)
      : readBinaryHeader(bytes, headerFrom, headerUntil, this.#parts, fieldCountMax)
  }

  /** Copies the bytes, which belong to whoever received them. Those before the frame come along, so that positions stay. */
  ownBytes(): void {
    this.#look(Buffer.from(this.#bytes.subarray(0, this.#bodyUntil)))
    this.#fields.movedTo(this.#bytes)
    this.#body = undefined
  }

  get code(): number {
    return this.#parts.code
  }

  get flag(): number {
    return this.#parts.flag
  }

  get opaque(): number {
    return this.#parts.opaque
  }

  get version(): number {
    return this.#parts.version
  }

  get language(): string {
    const { languageCode, languageFrom, languageUntil } = this.#parts
    if (languageCode >= 0) return languageOfCode(languageCode)
    return languageOfBytes(this.#bytes, languageFrom, languageUntil)
  }

  get isOneway(): boolean {
    return (this.#parts.flag & FLAG_ONEWAY) !== 0
  }

  get isResponse(): boolean {
    return (this.#parts.flag & FLAG_RESPONSE) !== 0
  }

  get remark(): string | undefined {
    const { hasRemark, remarkFrom, remarkUntil } = this.#parts
    return hasRemark ? readText(this.#bytes, remarkFrom, remarkUntil) : undefined
  }

  get fieldCount(): number {
    return this.#fields.count
  }

  get body(): Uint8Array {
    this.#body ??= this.#part(this.#bodyFrom, this.#bodyUntil)
    return this.#body
  }

  isAbsent(field: FieldName): boolean {
    return this.#fields.find(field) === -1
  }

  text(field: FieldName): string | undefined {
    const index = this.#fields.find(field)
    if (index === -1) return undefined
    return readText(this.#bytes, this.#fields.valueFrom(index), this.#fields.valueUntil(index))
  }

  interned(field: FieldName): string | undefined {
    const index = this.#fields.find(field)
    return index === -1 ? undefined : this.internedAt(index)
  }

  int(field: FieldName, otherwise?: number): number {
    const index = this.#filled(field)
    return index === -1 ? (otherwise ?? absent(field)) : this.intAt(index)
  }

  long(field: FieldName, otherwise?: number): number {
    const index = this.#filled(field)
    return index === -1 ? (otherwise ?? absent(field)) : this.longAt(index)
  }

  bool(field: FieldName): boolean {
    const index = this.#fields.find(field)
    return index !== -1 && this.boolAt(index)
  }

  bytesOf(field: FieldName): Uint8Array | undefined {
    const index = this.#fields.find(field)
    return index === -1 ? undefined : this.bytesAt(index)
  }

  requiredText(field: FieldName): string {
    return this.text(field) || absent(field)
  }

  requiredInterned(field: FieldName): string {
    return this.interned(field) || absent(field)
  }

  eachField(visit: (name: string, value: string) => void): void {
    const fields = this.#fields
    for (let index = 0; index < fields.count; index++) {
      if (fields.isNull(index)) continue
      const name = readText(this.#bytes, fields.keyFrom(index), fields.keyUntil(index))
      visit(name, readText(this.#bytes, fields.valueFrom(index), fields.valueUntil(index)))
    }
  }

  // By the number of the field: for readers that go once through all of them (send-fields.ts).

  /** The bytes that `nameFrom` and `nameUntil` are positions in. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  hasValue(index: number): boolean {
    return !this.#fields.isNull(index)
  }

  nameFrom(index: number): number {
    return this.#fields.keyFrom(index)
  }

  nameUntil(index: number): number {
    return this.#fields.keyUntil(index)
  }

  internedAt(index: number): string {
    return interned.text(this.#bytes, this.#view, this.#fields.valueFrom(index), this.#fields.valueUntil(index))
  }

  intAt(index: number): number {
    const value = integerIn(this.#bytes, this.#fields.valueFrom(index), this.#fields.valueUntil(index))
    if (value >= INT32_MIN && value <= INT32_MAX) return value
    throw this.#invalid(index, 'an integer of 32 bits')
  }

  longAt(index: number): number {
    const value = integerIn(this.#bytes, this.#fields.valueFrom(index), this.#fields.valueUntil(index))
    // As numbers the largest integer of 64 bits and the limit above it are the same.
    if (value >= -INT64_LIMIT && value <= INT64_LIMIT) return value
    throw this.#invalid(index, 'an integer of 64 bits')
  }

  boolAt(index: number): boolean {
    const at = this.#fields.valueFrom(index)
    if (this.#fields.valueUntil(index) - at !== TRUE.length) return false
    for (let letter = 0; letter < TRUE.length; letter++) {
      if ((this.#bytes[at + letter]! | LOWER_CASE) !== TRUE.charCodeAt(letter)) return false
    }
    return true
  }

  bytesAt(index: number): Uint8Array {
    return this.#part(this.#fields.valueFrom(index), this.#fields.valueUntil(index))
  }

  #look(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#buffer = bytes.buffer
    this.#bytesFrom = bytes.byteOffset
  }

  #invalid(index: number, expected: string): VarveError {
    const fields = this.#fields
    const name = readText(this.#bytes, fields.keyFrom(index), fields.keyUntil(index))
    const value = readText(this.#bytes, fields.valueFrom(index), fields.valueUntil(index))
    return new VarveError('PARAMETER_INVALID', { field: name, value: value.slice(0, SHOWN_MAX), expected })
  }

  /** As `find`, but -1 for an empty value, too: no number and no flag is empty. */
  #filled(field: FieldName): number {
    const index = this.#fields.find(field)
    if (index === -1) return -1
    return this.#fields.valueUntil(index) === this.#fields.valueFrom(index) ? -1 : index
  }

  /** Not `subarray`, which takes longer. */
  #part(from: number, until: number): Uint8Array {
    if (from === until) return NO_BYTES
    return new Uint8Array(this.#buffer, this.#bytesFrom + from, until - from)
  }
}

/** So much of a wrong value stands in the error. */
const SHOWN_MAX = 64
const TRUE = 'true'
/** The bit that makes a letter a small one. */
const LOWER_CASE = 0x20

export function absent(field: FieldName): never {
  throw new VarveError('PARAMETER_INVALID', { field: field.name, expected: 'a value' })
}
