/** Every record that is read, scanned or dispatched is located first: what its checks cost over trusting the bytes. */

import { locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import type { Work } from '../../src/load/index.ts'
import { type Benchmark, compare } from '../harness.ts'
import { type SampleRecords, sampleRecords } from './sample-records.ts'

export const locateRecords: Benchmark = {
  name: 'layout/locate',
  question: 'walking a log with every length checked, against positions by hand that trust it',
  run: options => {
    const sample = sampleRecords({ count: options.smoke ? 64 : 8192, bodyBytes: 1024 })
    return compare(locateRecords, options, {
      reference: () => walkTrusting(sample),
      candidate: () => walkLocating(sample),
      ratioMax: 4.5
    })
  }
}

/** Right only for version 1 and two IPv4 hosts. */
function walkTrusting({ view }: SampleRecords): Work {
  let count = 0
  let sum = 0
  for (let at = 0; at < view.byteLength; at += view.getInt32(at)) {
    const bodyBytes = view.getInt32(at + 84)
    const topicBytes = view.getInt8(at + 88 + bodyBytes)
    const propertiesBytes = view.getInt16(at + 89 + bodyBytes + topicBytes)
    const queueOffset = view.getInt32(at + 20) * 4294967296 + view.getUint32(at + 24)
    sum = (sum + queueOffset + bodyBytes + topicBytes + propertiesBytes) | 0
    count++
  }
  return { count, hash: sum }
}

function walkLocating({ view }: SampleRecords): Work {
  const record = new RecordPositions()
  let count = 0
  let sum = 0
  for (let at = 0; at < view.byteLength; at += record.totalBytes) {
    if (locate(view, at, view.byteLength, record) !== RECORD_WHOLE) break
    sum = (sum + record.queueOffset + record.bodyBytes + record.topicBytes + record.propertiesBytes) | 0
    count++
  }
  return { count, hash: sum }
}
