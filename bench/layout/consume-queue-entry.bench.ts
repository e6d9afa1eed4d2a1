/** Entries of a consume queue are read by the hundred for each pull: a declared layout must cost next to nothing there. */

import { CONSUME_QUEUE_ENTRY, getInt53 } from '../../src/layout/index.ts'
import type { Work } from '../../src/load/index.ts'
import { type Benchmark, compare } from '../harness.ts'

export const consumeQueueEntry: Benchmark = {
  name: 'layout/consume-queue-entry',
  question: 'reading consume queue entries: positions from the layout, against positions by hand',
  run: options => {
    const view = queueOf(options.smoke ? 256 : 65_536)
    return compare(consumeQueueEntry, options, {
      reference: () => sumByHand(view),
      candidate: () => sumByLayout(view),
      ratioMax: 1.25
    })
  }
}

function queueOf(entryCount: number): DataView {
  const view = new DataView(new ArrayBuffer(entryCount * CONSUME_QUEUE_ENTRY.sizeBytes))
  for (let entry = 0; entry < entryCount; entry++) {
    const values = { physicalOffset: entry * 1111 + 2 ** 33, sizeBytes: 1111, tagsCode: -entry }
    CONSUME_QUEUE_ENTRY.write(view, entry * CONSUME_QUEUE_ENTRY.sizeBytes, values)
  }
  return view
}

function sumByHand(view: DataView): Work {
  let sum = 0
  for (let at = 0; at < view.byteLength; at += 20) {
    sum += view.getInt32(at) * 4294967296 + view.getUint32(at + 4)
    sum += view.getInt32(at + 8)
    sum += view.getInt32(at + 12) * 4294967296 + view.getUint32(at + 16)
  }
  return { count: view.byteLength / 20, hash: sum }
}

function sumByLayout(view: DataView): Work {
  const { physicalOffset, sizeBytes: recordBytes, tagsCode } = CONSUME_QUEUE_ENTRY.at
  const entryBytes = CONSUME_QUEUE_ENTRY.sizeBytes
  let sum = 0
  for (let at = 0; at < view.byteLength; at += entryBytes) {
    sum += getInt53(view, at + physicalOffset)
    sum += view.getInt32(at + recordBytes)
    sum += getInt53(view, at + tagsCode)
  }
  return { count: view.byteLength / entryBytes, hash: sum }
}
