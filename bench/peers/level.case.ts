/** LevelDB through classic-level: batches that nothing syncs, or a walk from end to end. */

import { join } from 'node:path'
import {
  bodies,
  type CaseResult,
  type Extent,
  figuresOf,
  HASHED_COUNT,
  hashOf,
  measured,
  windowLoad
} from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { startSum } from '../store/read-sum.ts'
import { type Level, type LevelDatabase, loadPeer, peerVersion } from './peers.ts'

export interface LevelSettings {
  readonly directory: string
  readonly mode: 'batch' | 'read'
  readonly extent: Extent
  readonly bodyBytes: number
  readonly batchCount?: number
}

const READ_COUNT = 1000

await runCase<LevelSettings>(async ({ directory, mode, extent, bodyBytes, batchCount = 100 }): Promise<CaseResult> => {
  const { ClassicLevel } = loadPeer<Level>('classic-level')
  // Random bodies do not compress; larger buffers mean fewer, larger files.
  const options = { compression: false, writeBufferSize: 64 * 2 ** 20, cacheSize: 64 * 2 ** 20 }
  const database = new ClassicLevel(join(directory, 'level'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    ...options
  })
  await database.open()
  const body = bodies(bodyBytes)
  const settings = { version: peerVersion('classic-level'), mode, bodyBytes, batchCount, sync: false, ...options }
  const writeBatch = (first: number) => {
    const operations = Array.from({ length: batchCount }, (_, i) => ({
      type: 'put' as const,
      key: keyOf(first + i),
      value: body[(first + i) & (body.length - 1)]! // Inside by the mask.
    }))
    return database.batch(operations, { sync: false })
  }

  if (mode === 'read') {
    for (let first = 0; first < (extent.count ?? 0); first += batchCount) await writeBatch(first)
    await walk(database)
    const { result, seconds, cpuUs } = await measured(() => walk(database))
    await database.close()
    return { messages: result.count, seconds, cpuUs, work: result, settings, details: {} }
  }

  // A batch is written by a thread; two in flight keep that thread busy without waiting for this one.
  const batches = extent.count === undefined ? extent : { count: extent.count / batchCount }
  const load = await windowLoad({ extent: batches, window: 2, write: index => writeBatch(index * batchCount) })
  const first = await walkFirst(database)
  await database.close()
  const messages = load.messages * batchCount
  const { timeline: _ofBatches, ...figures } = figuresOf(load)
  return { ...figures, messages, work: { count: messages, hash: hashOf(first) }, settings, details: {} }
})

/** Big-endian, so that the order of the keys is the order of the messages. */
function keyOf(index: number): Uint8Array {
  const key = Buffer.allocUnsafe(4)
  key.writeUInt32BE(index, 0)
  return key
}

async function walk(database: LevelDatabase) {
  const sum = startSum()
  const iterator = database.iterator({ highWaterMarkBytes: 2 ** 20 })
  for (let entries = await iterator.nextv(READ_COUNT); entries.length > 0; entries = await iterator.nextv(READ_COUNT)) {
    for (const [, value] of entries) sum.addBody(value)
  }
  await iterator.close()
  return sum.end()
}

async function walkFirst(database: LevelDatabase): Promise<Uint8Array[]> {
  const iterator = database.iterator({ limit: HASHED_COUNT })
  const values: Uint8Array[] = []
  for (let entries = await iterator.nextv(READ_COUNT); entries.length > 0; entries = await iterator.nextv(READ_COUNT)) {
    values.push(...entries.map(([, value]) => value))
  }
  await iterator.close()
  return values
}
