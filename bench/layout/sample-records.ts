/** Records as a log holds them, made by the functions under test; the golden tests prove that those are right. */

import {
  closeRecord,
  RECORD_MAGIC_V1,
  RecordDraft,
  RecordPositions,
  recordBytes,
  writeRecordHead
} from '../../src/layout/index.ts'
import { bodies } from '../../src/load/index.ts'

const TOPIC = Buffer.from('bench-topic')
const PROPERTIES = Buffer.from('KEYS\u0001order-4711\u0002TAGS\u0001TagA\u0002')

export interface SampleRecords {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly count: number
  /** All records of a sample are of one size, but only this file knows. */
  readonly recordBytes: number
}

export function sampleRecords({ count, bodyBytes }: { count: number; bodyBytes: number }): SampleRecords {
  const size = sizeOf(bodyBytes)
  const bytes = new Uint8Array(new ArrayBuffer(count * size))
  const sample = { bytes, view: new DataView(bytes.buffer), count, recordBytes: size }
  encodeRecords(sample, bodies(bodyBytes))
  return sample
}

/** Encodes every record of the sample anew, as an append does, but for the checksum of the body. */
export function encodeRecords(
  { bytes, view, count, recordBytes: size }: SampleRecords,
  body: readonly Uint8Array[]
): void {
  const draft = new RecordDraft()
  const positions = new RecordPositions()
  draft.magic = RECORD_MAGIC_V1
  draft.totalBytes = size
  draft.topicBytes = TOPIC
  draft.propertiesBytes = PROPERTIES.length
  draft.bornAtMs = 1_700_000_000_000
  draft.storedAtMs = 1_700_000_000_123
  for (let index = 0; index < count; index++) {
    const ofThis = body[index & (body.length - 1)]! // Inside by the mask.
    draft.queueOffset = index
    draft.physicalOffset = index * size
    draft.bodyBytes = ofThis.length
    writeRecordHead(bytes, view, index * size, draft, positions)
    bytes.set(ofThis, positions.bodyAt)
    bytes.set(PROPERTIES, positions.propertiesAt)
    closeRecord(view, index * size, size, index)
  }
}

function sizeOf(bodyBytes: number): number {
  return recordBytes({
    bornV6: false,
    storeV6: false,
    bodyBytes,
    topicBytes: TOPIC.length,
    propertiesBytes: PROPERTIES.length
  })
}
