/**
 * LMDB with the settings that were fastest here of those that its package offers: values as bytes, keys as uint32 in
 * ascending order. Unsynced batches: `useWritemap` and `append` (846,000/s, without them 530,000/s). Durable puts:
 * without `overlappingSync`, so that `put` resolves when the disk has it (260,000/s; with it and `flushed` 205,000/s).
 */

import { join } from 'node:path'
import {
  bodies,
  type CaseResult,
  type Extent,
  figuresOf,
  HASHED_COUNT,
  hashOf,
  measured,
  streamLoad,
  windowLoad
} from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { startSum } from '../store/read-sum.ts'
import { type Lmdb, type LmdbDatabase, loadPeer, peerVersion } from './peers.ts'

export interface LmdbSettings {
  readonly directory: string
  /**
   * `batch`: transactions of 100 that nothing syncs. `window`: `put` in that many flights, each awaited until synced.
   * `read`: fills the database, then walks it from end to end.
   */
  readonly mode: 'batch' | 'window' | 'read'
  readonly extent: Extent
  readonly bodyBytes: number
  readonly batchCount?: number
  readonly window?: number
}

/** Reserved addresses, not memory or disk: above any size that a run reaches, so that nothing is mapped anew meanwhile. */
const MAP_BYTES = 2 ** 36

await runCase<LmdbSettings>(
  async ({ directory, mode, extent, bodyBytes, batchCount = 100, window = 1 }): Promise<CaseResult> => {
    const durable = mode === 'window'
    const options = durable ? { overlappingSync: false } : { noSync: true, useWritemap: true }
    const common = {
      encoding: 'binary',
      keyEncoding: 'uint32',
      compression: false,
      noMemInit: true,
      mapSize: MAP_BYTES
    } as const
    const database = loadPeer<Lmdb>('lmdb').open({ path: join(directory, 'data.mdb'), ...common, ...options })
    const body = bodies(bodyBytes)
    const settings = {
      version: peerVersion('lmdb'),
      mode,
      bodyBytes,
      noMemInit: true,
      ...options,
      ...(durable ? { window } : { batchCount })
    }
    const bodyOf = (index: number) => body[index & (body.length - 1)]! // Inside by the mask.

    const writeBatch = (first: number) => {
      database.transactionSync(() => {
        for (let index = first; index < first + batchCount; index++)
          database.putSync(index, bodyOf(index), { append: true })
      })
      return true
    }

    if (mode === 'read') {
      for (let first = 0; first < (extent.count ?? 0); first += batchCount) writeBatch(first)
      walk(database)
      const { result, seconds, cpuUs } = await measured(() => walk(database))
      await database.close()
      return { messages: result.count, seconds, cpuUs, work: result, settings, details: {} }
    }

    const load = durable
      ? await windowLoad({ extent, window, write: index => database.put(index, bodyOf(index)) })
      : await streamLoad({ extent, perCall: batchCount, write: writeBatch })
    if (database.getCount() !== load.all)
      throw new Error(`${load.all} were put, the database holds ${database.getCount()}`)
    const first = [...database.getRange({ start: 0, end: HASHED_COUNT })].map(({ value }) => value)
    await database.close()
    return {
      ...figuresOf(load),
      work: { count: load.messages, hash: hashOf(first) },
      settings,
      details: {}
    }
  }
)

function walk(database: LmdbDatabase) {
  const sum = startSum()
  for (const { value } of database.getRange({})) sum.addBody(value)
  return sum.end()
}
