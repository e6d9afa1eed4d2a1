/**
 * Reads a header in RocketMQ's binary form: fixed numbers, a remark, then names and values with their sizes before them.
 *
 * Every size is checked against the header before it is used; a field without a name or a value counts as absent, as in
 * Java.
 */
import { BINARY_HEADER } from '../../layout/index.ts'
import { type HeaderFault, type HeaderParts, MALFORMED, TOO_MANY_FIELDS } from './header-parts.ts'

const { code, language, version, opaque, flag } = BINARY_HEADER.at
const SIZE_BYTES = 4
const NAME_SIZE_BYTES = 2

/** Fills `parts` from `bytes` in `[from, until)`. Undefined if the header can be read. */
export function readBinaryHeader(
  bytes: Uint8Array,
  from: number,
  until: number,
  parts: HeaderParts,
  fieldCountMax: number
): HeaderFault | undefined {
  const remarkSizeAt = from + BINARY_HEADER.sizeBytes
  if (remarkSizeAt + SIZE_BYTES > until) return MALFORMED
  parts.code = int16At(bytes, from + code)
  parts.languageCode = bytes[from + language]!
  parts.version = int16At(bytes, from + version)
  parts.opaque = int32At(bytes, from + opaque)
  parts.flag = int32At(bytes, from + flag)

  const remarkFrom = remarkSizeAt + SIZE_BYTES
  const remarkBytes = int32At(bytes, remarkSizeAt)
  if (remarkBytes < 0 || remarkBytes > until - remarkFrom) return MALFORMED
  parts.hasRemark = remarkBytes > 0
  parts.remarkFrom = remarkFrom
  parts.remarkUntil = remarkFrom + remarkBytes

  const fieldsFrom = parts.remarkUntil + SIZE_BYTES
  if (fieldsFrom > until) return MALFORMED
  const fieldsBytes = int32At(bytes, parts.remarkUntil)
  if (fieldsBytes < 0 || fieldsBytes > until - fieldsFrom) return MALFORMED
  return readFields(bytes, fieldsFrom, fieldsFrom + fieldsBytes, parts, fieldCountMax)
}

function readFields(
  bytes: Uint8Array,
  at: number,
  until: number,
  { fields }: HeaderParts,
  countMax: number
): HeaderFault | undefined {
  while (at < until) {
    const nameFrom = at + NAME_SIZE_BYTES
    if (nameFrom > until) return MALFORMED
    const nameUntil = nameFrom + int16At(bytes, at)
    const valueFrom = nameUntil + SIZE_BYTES
    if (nameUntil < nameFrom || valueFrom > until) return MALFORMED
    const valueBytes = int32At(bytes, nameUntil)
    if (valueBytes < 0 || valueBytes > until - valueFrom) return MALFORMED
    if (nameUntil > nameFrom) {
      if (fields.count === countMax) return TOO_MANY_FIELDS
      if (valueBytes > 0) fields.add(nameFrom, nameUntil, valueFrom, valueFrom + valueBytes)
      else fields.addNull(nameFrom, nameUntil)
    }
    at = valueFrom + valueBytes
  }
  return undefined
}

function int16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16)) >> 16
}

export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
