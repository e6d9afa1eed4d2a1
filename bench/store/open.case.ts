/** Opens a store and tells how long it took until it could be written, and until every queue was complete. */

import { openStore, type StoreOptions } from '../../src/index.ts'
import type { CaseResult } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

export interface OpenSettings {
  readonly data: string
  readonly topic?: string
  readonly queueCount: number
  readonly options?: Partial<StoreOptions>
}

await runCase<OpenSettings>(async ({ data, topic = 'bench-0', queueCount, options = {} }): Promise<CaseResult> => {
  const cpu = process.cpuUsage()
  const beganMs = performance.now()
  const store = await openStore({ directory: data, create: false, ...options })
  const openMs = performance.now() - beganMs
  for (let info = store.info(); info.dispatchedUntil < info.appendedUntil; info = store.info()) {
    if (info.poisonedBy !== undefined) throw info.poisonedBy
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  const seconds = (performance.now() - beganMs) / 1000
  const { user, system } = process.cpuUsage(cpu)

  const { recovery, appendedUntil, minPhysicalOffset, mapper } = store.info()
  let messages = 0
  for (let queueId = 0; queueId < queueCount; queueId++) messages += store.maxOffset({ topic, queueId })
  const last = await store.read({ topic, queueId: 0, offset: store.maxOffset({ topic, queueId: 0 }) - 1, countMax: 1 })
  await store.close()

  const logBytes = appendedUntil - minPhysicalOffset
  return {
    messages,
    seconds,
    cpuUs: user + system,
    work: {
      count: messages,
      hash: last.messages.length === 1 ? 'the last message is there' : 'the last message is missing'
    },
    settings: { mapper, queueCount, recovery: recovery.kind },
    details: {
      openMs,
      logGiB: logBytes / 2 ** 30,
      scannedMiB: recovery.scannedBytes / 2 ** 20,
      quarantinedBytes: recovery.quarantinedBytes,
      damagedRanges: recovery.damaged.length,
      rebuilt: Number(recovery.rebuilt),
      logGiBPerSecond: logBytes / 2 ** 30 / seconds
    }
  }
})
