/**
 * Names of header fields, each with the bytes that are compared when a header is read and copied when one is written.
 *
 * The names of one request stand in a table beside the code that reads it: `const F = { topic: field('topic') }`.
 */
import { assert } from '../../base/index.ts'
import { encodeText } from '../../layout/index.ts'

export interface FieldName {
  readonly name: string
  readonly bytes: Uint8Array
  /** `"name":"`: what stands before the value in a JSON header. */
  readonly opening: Uint8Array
}

/** Plain letters only, so that the name never needs an escape. */
const FIELD_NAME = /^[A-Za-z0-9_.-]+$/

export function field(name: string): FieldName {
  assert(FIELD_NAME.test(name), 'a header field has a plain name')
  return { name, bytes: encodeText(name), opening: encodeText(`"${name}":"`) }
}
