/** Fills a store with a known load, then closes it, or lets kill -9 end it. Prints what is in it. */

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { accepted, bodies } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

export interface PrepareSettings {
  readonly directory: string
  readonly messages: number
  readonly bodyBytes: number
  readonly queueCount: number
  /** One key for each message, so that there is an index to build. */
  readonly keys?: boolean
  readonly options?: Partial<StoreOptions>
  /** Then the process kills itself after so many more messages, of which the state in `stateCopy` knows nothing. */
  readonly thenKilled?: { readonly messages: number; readonly stateCopy: string }
}

await runCase<PrepareSettings>(async settings => {
  const { directory, messages, bodyBytes, queueCount, keys = false, options = {}, thenKilled } = settings
  const store = await openStore({ directory, ...options })
  const body = bodies(bodyBytes)
  const beganMs = performance.now()
  const appendAll = async (from: number, until: number) => {
    for (let index = from; index < until; ) {
      const message = { topic: 'bench-0', queueId: index % queueCount, body: body[index & (body.length - 1)]! }
      if (accepted(() => store.append(keys ? { ...message, keys: `k${index}` } : message))) index++
      else await store.writable()
    }
  }

  await appendAll(0, messages)
  if (thenKilled !== undefined) {
    await store.flushed()
    cpSync(join(directory, 'varve'), thenKilled.stateCopy, { recursive: true })
    await appendAll(messages, messages + thenKilled.messages)
    process.kill(process.pid, 'SIGKILL')
  }
  const { appendedUntil } = store.info()
  await store.close()
  const seconds = (performance.now() - beganMs) / 1000
  const work = { count: messages, hash: '' }
  return { messages, seconds, cpuUs: 0, work, settings: {}, details: { logBytes: appendedUntil } }
})
