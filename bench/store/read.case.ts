/** Varve reads one queue from its first message to its last, as views or decoded. */

import { openStore, type StoreOptions } from '../../src/index.ts'
import { type CaseResult, measured } from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { startSum } from './read-sum.ts'

export interface ReadSettings {
  /** With the messages of `prepare.case.ts` in it; only read. */
  readonly data: string
  readonly as: 'views' | 'decoded'
  /** Read once, as it lies on the disk, and what is read is not summed up, only counted. */
  readonly isCold?: boolean
  readonly options?: Partial<StoreOptions>
}

const QUEUE = { topic: 'bench-0', queueId: 0 }
const REQUEST = { ...QUEUE, countMax: 1024, bytesMax: 4 * 2 ** 20 }

await runCase<ReadSettings>(async ({ data, as, isCold = false, options = {} }): Promise<CaseResult> => {
  const store = await openStore({ directory: data, create: false, ...options })
  const until = store.maxOffset(QUEUE)

  const readViews = async () => {
    const sum = startSum()
    for (let offset = 0; offset < until; ) {
      const { bytes, count, nextOffset } = await store.readViews({ ...REQUEST, offset })
      for (let i = 0; i < count; i++) sum.addRecord(bytes[i]!) // Below count there is a view.
      offset = nextOffset
    }
    return sum.end()
  }
  const readDecoded = async () => {
    const sum = startSum()
    for (let offset = 0; offset < until; ) {
      const { messages, nextOffset } = await store.read({ ...REQUEST, offset })
      for (const { body } of messages) sum.addBody(body)
      offset = nextOffset
    }
    return sum.end()
  }
  const read = as === 'views' ? readViews : readDecoded

  if (!isCold) await read() // Compiles the code and brings the files into memory.
  const { result, seconds, cpuUs } = await measured(read)
  const { mapper } = store.info()
  await store.close()
  return {
    messages: result.count,
    seconds,
    cpuUs,
    work: isCold ? { count: result.count, hash: 'read' } : result,
    settings: { as, mapper, countMax: REQUEST.countMax },
    details: {}
  }
})
