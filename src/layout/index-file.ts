/**
 * The key index: header, hash slots, items. A slot holds the number of its newest item, an item that of the one before
 * it in its slot: a lookup walks from new to old.
 *
 * Invariants:
 * - item numbers start at 1, so 0 can mean "none"; item 0 has its place but is never written
 * - the numbers of slots and items are a setting: the file does not record them
 *
 * Not here: rotation, queries (the store).
 */
import { javaHash, javaHashOfBytes } from './java-hash.ts'
import { int32, int53, layout } from './layout.ts'

export const INDEX_HEADER = layout({
  beginAtMs: int53('store time of the first item'),
  endAtMs: int53('store time of the last item'),
  beginPhysicalOffset: int53('record of the first item'),
  endPhysicalOffset: int53('record of the last item'),
  usedSlotCount: int32('slots that hold an item'),
  nextItem: int32('number that the next item gets; starts at 1, and 0 means 1')
})

export const INDEX_ITEM = layout({
  keyHash: int32('hash of topic, `#` and key, without sign; of a tag: of topic, `#T#` and tag'),
  physicalOffset: int53('record of the message'),
  afterBeginSeconds: int32('store time, in whole seconds after `beginAtMs` of the header'),
  previousItem: int32('number of the item before it in the same slot, 0 if none')
})

export const INDEX_SLOT_BYTES = 4

export function indexSlotAt(slot: number): number {
  return INDEX_HEADER.sizeBytes + INDEX_SLOT_BYTES * slot
}

export function indexItemAt(item: number, slotCount: number): number {
  return indexSlotAt(slotCount) + INDEX_ITEM.sizeBytes * item
}

export function indexFileBytes(slotCount: number, itemCount: number): number {
  return indexItemAt(itemCount, slotCount)
}

/** The hash of everything before the key: keep one per topic. */
export function indexHashSeed(topic: string): number {
  return javaHash('#', javaHash(topic))
}

/** The same for tags, which Apache RocketMQ from 5.5 on indexes as well: as `topic#T#tag`, after the keys. */
export function indexTagHashSeed(topic: string): number {
  return javaHash('T#', indexHashSeed(topic))
}

/** The hash of a key that stands in UTF-8 bytes `[from, until)`. */
export function indexKeyHash(seed: number, bytes: Uint8Array, from: number, until: number): number {
  return withoutSign(javaHashOfBytes(bytes, from, until, seed))
}

export function indexKeyHashOfText(topic: string, key: string): number {
  return withoutSign(javaHash(key, indexHashSeed(topic)))
}

export function indexSlotOf(keyHash: number, slotCount: number): number {
  return keyHash % slotCount
}

/** -2^31 has no positive counterpart in 32 bits: it counts as 0. */
function withoutSign(hash: number): number {
  return hash === -0x80000000 ? 0 : Math.abs(hash)
}
