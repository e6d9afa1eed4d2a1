/**
 * The shape of an index file (how many slots and items it has), found out from its bytes: the format does not record
 * it, and a directory of Apache RocketMQ may have been made with other numbers than the usual ones.
 *
 * The size of the file leaves one possible number of items for each number of slots. The right pair is the one for
 * which the first and the last item stand where the header says, and the slot of the last item names it.
 */
import { getInt53, INDEX_HEADER, INDEX_ITEM, INDEX_SLOT_BYTES, indexFileBytes, indexSlotAt } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import type { IndexShape } from './key-index-items.ts'
import { SIZES_DEFAULT } from './options.ts'

/** Trying takes one look at every possible place, so only files that tests and small brokers make are tried. */
const TRIED_BYTES_MAX = 64 * 1024 * 1024

/** Undefined for a file that is empty, damaged, or too large to try all shapes. */
export function findIndexShape(files: Files, path: string): IndexShape | undefined {
  const fileBytes = files.find(path)?.sizeBytes ?? 0
  const usual = { slots: SIZES_DEFAULT.indexSlots, items: SIZES_DEFAULT.indexItems }
  if (fileBytes === indexFileBytes(usual.slots, usual.items)) return usual
  if (fileBytes > TRIED_BYTES_MAX || fileBytes <= INDEX_HEADER.sizeBytes) return undefined
  const file = files.open(path, 'read')
  try {
    return tryShapes(readAll(file, fileBytes))
  } finally {
    file.close()
  }
}

function tryShapes(view: DataView): IndexShape | undefined {
  const header = INDEX_HEADER.read(view, 0)
  const last = header.nextItem - 1
  if (last < 1) return undefined
  const restBytes = view.byteLength - INDEX_HEADER.sizeBytes
  for (let items = last + 1; items * INDEX_ITEM.sizeBytes < restBytes; items++) {
    const slots = (restBytes - items * INDEX_ITEM.sizeBytes) / INDEX_SLOT_BYTES
    if (!Number.isInteger(slots)) continue
    const firstAt = indexSlotAt(slots) + INDEX_ITEM.sizeBytes
    const lastAt = indexSlotAt(slots) + last * INDEX_ITEM.sizeBytes
    const lastHash = view.getInt32(lastAt + INDEX_ITEM.at.keyHash)
    const fits =
      getInt53(view, firstAt + INDEX_ITEM.at.physicalOffset) === header.beginPhysicalOffset &&
      getInt53(view, lastAt + INDEX_ITEM.at.physicalOffset) === header.endPhysicalOffset &&
      lastHash >= 0 &&
      view.getInt32(indexSlotAt(lastHash % slots)) === last
    if (fits) return { slots, items }
  }
  return undefined
}

function readAll(file: OpenFile, sizeBytes: number): DataView {
  const bytes = new Uint8Array(sizeBytes)
  file.read(bytes, 0)
  return new DataView(bytes.buffer)
}
