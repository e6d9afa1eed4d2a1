/**
 * The keys of a header in JSON, told apart by words of four bytes: the first, the last, and for the one key that is longer
 * than two words the one between.
 */
import { encodeText } from '../../layout/index.ts'

export const CODE = 0
export const OPAQUE = 1
export const FLAG = 2
export const VERSION = 3
export const LAST_INTEGER_KEY = VERSION
export const EXT_FIELDS = 4
export const LANGUAGE = 5
export const REMARK = 6
export const UNKNOWN_KEY = 7

const KEYS = ['code', 'opaque', 'flag', 'version', 'extFields', 'language', 'remark']
const WORD_BYTES = 4

const wordIn = (key: string, at: number) => new DataView(encodeText(key).buffer).getInt32(at)
const firstWords = Int32Array.from(KEYS, key => wordIn(key, 0))
const lastWords = Int32Array.from(KEYS, key => wordIn(key, key.length - WORD_BYTES))
const lengths = Int32Array.from(KEYS, key => key.length)
const BETWEEN = wordIn(KEYS[EXT_FIELDS]!, WORD_BYTES)

/** `view` is of the bytes that the key lies in, from its first to the quote that ends it. */
export function headerKeyAt(view: DataView, from: number, until: number): number {
  const length = until - from
  if (length < WORD_BYTES) return UNKNOWN_KEY
  const first = view.getInt32(from)
  for (let key = 0; key < UNKNOWN_KEY; key++) {
    if (firstWords[key] !== first) continue
    const isKey = lengths[key] === length && lastWords[key] === view.getInt32(until - WORD_BYTES)
    return isKey && (key !== EXT_FIELDS || view.getInt32(from + WORD_BYTES) === BETWEEN) ? key : UNKNOWN_KEY
  }
  return UNKNOWN_KEY
}
