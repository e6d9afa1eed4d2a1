/** Fills a store with a known load, then closes it, or dies with so much above the last sync. Prints what is in it. */
import { openStore, type StoreOptions } from '../../src/index.ts'
import { bodies, runCase } from '../case.ts'
import { accepted } from './refused.ts'

export interface PrepareSettings {
  readonly directory: string
  readonly messages: number
  readonly bodyBytes: number
  readonly queueCount: number
  /** One key for each message, so that there is an index to build. */
  readonly keys?: boolean
  readonly options?: Partial<StoreOptions>
  /** Then so many more messages, which nothing syncs, and kill -9. */
  readonly unsyncedMessages?: number
}

/** Interval flushes stay away while the unsynced part is written: above any age and any amount that this case reaches. */
const NEVER_MS = 24 * 3600 * 1000

await runCase<PrepareSettings>(
  async ({ directory, messages, bodyBytes, queueCount, keys = false, options = {}, unsyncedMessages }) => {
    const unsynced = { flushIntervalMs: NEVER_MS, flushThoroughIntervalMs: NEVER_MS, dirtyBytesMax: 2 ** 31 - 2 ** 24 }
    const store = await openStore({ directory, ...(unsyncedMessages === undefined ? {} : unsynced), ...options })
    const body = bodies(bodyBytes)
    const beganMs = performance.now()
    const appendAll = async (from: number, until: number, wantsRoom: () => Promise<void>) => {
      for (let index = from; index < until; ) {
        const message = { topic: 'bench-0', queueId: index % queueCount, body: body[index & (body.length - 1)]! }
        if (accepted(() => store.append(keys ? { ...message, keys: `k${index}` } : message))) index++
        else await wantsRoom()
      }
    }

    await appendAll(0, messages, async () => {
      await store.flushed()
      await store.writable()
    })
    if (unsyncedMessages !== undefined) {
      await store.flushed()
      // Room in the queues may be waited for; a wait for the disk would end the very state that is wanted.
      await appendAll(messages, messages + unsyncedMessages, () => store.writable())
      const { appendedUntil, flushedUntil } = store.info()
      process.stdout.write(`${JSON.stringify({ unsyncedBytes: appendedUntil - flushedUntil })}\n`, () =>
        process.kill(process.pid, 'SIGKILL')
      )
      await new Promise(() => setInterval(() => {}, NEVER_MS))
    }
    const { appendedUntil } = store.info()
    await store.close()
    const seconds = (performance.now() - beganMs) / 1000
    return {
      messages,
      seconds,
      cpuUs: 0,
      work: { count: messages, hash: '' },
      settings: {},
      details: { logBytes: appendedUntil }
    }
  }
)
