/** Finding the next record: against looking at every single byte. */
import { describe, expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/index.ts'
import { openStore } from '../../src/index.ts'
import {
  BLANK_MAGIC,
  locate,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordPositions
} from '../../src/layout/index.ts'
import { findRecord } from '../../src/store/find-record.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { fill, SEGMENT_BYTES, simulated } from '../support/store-fixtures.ts'

const { at } = RECORD_HEAD

/** What `findRecord` promises, word by word. */
function findByEveryByte(view: DataView, from: number, until: number, base: number): number {
  const positions = new RecordPositions()
  for (let i = from; i + RECORD_HEAD.sizeBytes <= Math.min(until, view.byteLength); i++) {
    const magic = view.getInt32(i + at.magic)
    if (magic === BLANK_MAGIC && view.getInt32(i) === view.byteLength - i) return i
    if (magic !== RECORD_MAGIC_V1 && magic !== RECORD_MAGIC_V2) continue
    if (Number(view.getBigInt64(i + at.physicalOffset)) !== base + i) continue
    if (locate(view, i, until, positions) === RECORD_WHOLE) return i
  }
  return until
}

/** The first two segments of a store: the first is closed by a blank. */
async function segments(): Promise<Uint8Array[]> {
  const disk = new SimulatedDisk()
  const store = await openStore(simulated(disk))
  fill(store, 60)
  await store.close()
  return [0, SEGMENT_BYTES].map(base => {
    const file = disk.open(`/store/commitlog/${String(base).padStart(20, '0')}`, 'read')
    const bytes = new Uint8Array(SEGMENT_BYTES)
    file.read(bytes, 0)
    file.close()
    return bytes
  })
}

/** Flips bits, clears stretches and plants what looks like the head of a record and is none. */
function damage(bytes: Uint8Array, random: Random): void {
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 200; i++) {
    const place = random.between(0, bytes.length - 64)
    const kind = random.between(0, 3)
    if (kind === 0) bytes[place]! ^= 1 << random.between(0, 7)
    else if (kind === 1) bytes.fill(0, place, place + random.between(1, 64))
    else view.setInt32(place, [RECORD_MAGIC_V1, RECORD_MAGIC_V2, BLANK_MAGIC][random.between(0, 2)]!)
  }
}

describe('finding the next record', () => {
  test.each([1, 2, 3, 4, 5, 6])('stops where looking at every byte stops (seed %i)', async seed => {
    const random = seededRandom(seed)
    for (const [i, whole] of (await segments()).entries()) {
      const base = i * SEGMENT_BYTES
      for (const bytes of [whole, whole.slice()]) {
        if (bytes !== whole) damage(bytes, random)
        const view = new DataView(bytes.buffer)
        for (let n = 0; n < 300; n++) {
          const from = random.between(0, SEGMENT_BYTES)
          const until = random.between(0, 1) === 0 ? SEGMENT_BYTES : random.between(from, SEGMENT_BYTES)
          expect(findRecord(view, from, until, base)).toBe(findByEveryByte(view, from, until, base))
        }
      }
    }
  })

  test('finds nothing in what begins where the caller knows of nothing', async () => {
    const [whole] = await segments()
    const view = new DataView(whole!.buffer)
    const second = findRecord(view, 1, SEGMENT_BYTES, 0)
    expect(findRecord(view, 1, SEGMENT_BYTES, 0, second + 1)).toBe(second)
    expect(findRecord(view, 1, SEGMENT_BYTES, 0, second)).toBe(SEGMENT_BYTES)
  })
})
