/**
 * Names of header fields, each with the bytes that are compared when a header is read and copied when one is written.
 *
 * The names of one request stand in a table beside the code that reads it: `const F = { topic: field('topic') }`.
 */
import { encodeText } from '../../layout/index.ts'
import { type Ascii, ascii } from './ascii.ts'

export interface FieldName {
  readonly name: string
  readonly bytes: Uint8Array
  /** `","name":"`: what stands between the value of the field before and its own, in a JSON header. */
  readonly opening: Ascii
}

export function field(name: string): FieldName {
  return { name, bytes: encodeText(name), opening: ascii(`",${JSON.stringify(name)}:"`) }
}
