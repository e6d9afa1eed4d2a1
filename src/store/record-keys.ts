/**
 * The keys of a record, straight from its bytes: each goes into the key index as the hash of `topic#key`,
 * the tag as that of `topic#T#tag`.
 *
 * Not here: which records are indexed at all (dispatch), comparing the text of a key on lookup (whoever reads records).
 */
import {
  findIndexedProperties,
  IndexedProperties,
  indexKeyHash,
  javaHash,
  javaHashOfBytes,
  KEY_SEPARATOR,
  type RecordPositions
} from '../layout/index.ts'

export interface KeySink {
  put(keyHash: number, physicalOffset: number, storedAtMs: number): void
}

/** Stands between `topic#` and the tag. */
const TAG_PREFIX = 'T#'
const SPACE = KEY_SEPARATOR.charCodeAt(0)
const found = new IndexedProperties()

/**
 * Puts each key of the record: UNIQ_KEY, the pieces of KEYS between single spaces, then the tag, which Apache RocketMQ
 * indexes since 5.5. Allocates nothing.
 */
export function forEachKeyHash(
  bytes: Uint8Array,
  record: RecordPositions,
  sink: KeySink,
  physicalOffset: number
): void {
  const { propertiesAt, propertiesBytes } = record
  findIndexedProperties(bytes, propertiesAt, propertiesAt + propertiesBytes, found)
  putKeyHashes(bytes, record, found, sink, physicalOffset)
}

/** The same for whoever has found the properties of the record already. */
export function putKeyHashes(
  bytes: Uint8Array,
  { topicAt, topicBytes, storedAtMs }: RecordPositions,
  { uniqueKey, keys, tags }: IndexedProperties,
  sink: KeySink,
  physicalOffset: number
): void {
  if (uniqueKey.empty && keys.empty && tags.empty) return

  const seed = javaHash('#', javaHashOfBytes(bytes, topicAt, topicAt + topicBytes))
  if (!uniqueKey.empty) sink.put(indexKeyHash(seed, bytes, uniqueKey.from, uniqueKey.until), physicalOffset, storedAtMs)
  let from = keys.from
  while (from < keys.until) {
    let until = from
    while (until < keys.until && bytes[until] !== SPACE) until++
    if (from < until) sink.put(indexKeyHash(seed, bytes, from, until), physicalOffset, storedAtMs)
    from = until + 1
  }
  if (tags.empty) return
  sink.put(indexKeyHash(javaHash(TAG_PREFIX, seed), bytes, tags.from, tags.until), physicalOffset, storedAtMs)
}
