/**
 * The body of a batch: messages back to back, each with a small head, its body and its properties. It is what a
 * producer sends, and what the one record of a batch in a batch queue holds.
 *
 * Not here: the records of an ordinary topic that a broker makes of it, one per message (the store).
 */
import { VarveError } from '../base/index.ts'
import { int16, int32, layout } from './layout.ts'
import { PROPERTIES_BYTES_MAX } from './record.ts'

/** The body follows. */
export const BATCH_ITEM_HEAD = layout({
  itemBytes: int32('size of the whole item, this field included'),
  magic: int32('0'),
  bodyChecksum: int32('0'),
  flag: int32("the application's own, opaque"),
  bodyBytes: int32('size of the body that follows')
})

/** After the body; the properties follow. */
export const BATCH_ITEM_REST = layout({
  propertiesBytes: int16('size of the properties that follow')
})

export interface BatchItem {
  readonly flag: number
  readonly body: Uint8Array
  /** Encoded, see properties.ts. */
  readonly properties: Uint8Array
}

const BATCH_ITEM_BYTES_MIN = BATCH_ITEM_HEAD.sizeBytes + BATCH_ITEM_REST.sizeBytes

export function encodeBatch(items: readonly BatchItem[]): Uint8Array {
  const bytes = new Uint8Array(items.reduce((sum, item) => sum + sizeOfItem(item), 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const item of items) at = writeItem(bytes, view, at, item)
  return bytes
}

/**
 * The items as views into `bytes`, without a copy.
 * @throws VarveError BATCH_INVALID if the lengths do not add up: the bytes come from a peer
 */
export function decodeBatch(bytes: Uint8Array): BatchItem[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const items: BatchItem[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < BATCH_ITEM_BYTES_MIN) throw broken(items.length, 'the head is cut off')
    const itemBytes = view.getInt32(at + BATCH_ITEM_HEAD.at.itemBytes)
    if (itemBytes < BATCH_ITEM_BYTES_MIN || itemBytes > bytes.length - at) throw broken(items.length, 'size')

    const bodyBytes = view.getInt32(at + BATCH_ITEM_HEAD.at.bodyBytes)
    if (bodyBytes < 0 || bodyBytes > itemBytes - BATCH_ITEM_BYTES_MIN) throw broken(items.length, 'size of the body')

    const bodyAt = at + BATCH_ITEM_HEAD.sizeBytes
    const propertiesAt = bodyAt + bodyBytes + BATCH_ITEM_REST.sizeBytes
    const propertiesBytes = view.getInt16(bodyAt + bodyBytes)
    const end = at + itemBytes
    if (propertiesBytes !== end - propertiesAt) throw broken(items.length, 'size of the properties')

    items.push({
      flag: view.getInt32(at + BATCH_ITEM_HEAD.at.flag),
      body: bytes.subarray(bodyAt, bodyAt + bodyBytes),
      properties: bytes.subarray(propertiesAt, end)
    })
    at = end
  }
  return items
}

function sizeOfItem({ body, properties }: BatchItem): number {
  if (properties.length > PROPERTIES_BYTES_MAX) {
    const details = { propertiesBytes: properties.length, propertiesBytesMax: PROPERTIES_BYTES_MAX }
    throw new VarveError('MESSAGE_PROPERTIES_TOO_LARGE', details)
  }
  return BATCH_ITEM_BYTES_MIN + body.length + properties.length
}

function writeItem(bytes: Uint8Array, view: DataView, at: number, item: BatchItem): number {
  const { flag, body, properties } = item
  const itemBytes = sizeOfItem(item)
  BATCH_ITEM_HEAD.write(view, at, { itemBytes, magic: 0, bodyChecksum: 0, flag, bodyBytes: body.length })
  const bodyAt = at + BATCH_ITEM_HEAD.sizeBytes
  bytes.set(body, bodyAt)
  BATCH_ITEM_REST.write(view, bodyAt + body.length, { propertiesBytes: properties.length })
  bytes.set(properties, bodyAt + body.length + BATCH_ITEM_REST.sizeBytes)
  return at + itemBytes
}

function broken(item: number, reason: string): VarveError {
  return new VarveError('BATCH_INVALID', { item, reason })
}
