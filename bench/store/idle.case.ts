/** What an idle process with an open store holds in memory, and what it does meanwhile. */

import { openStore, type StoreOptions } from '../../src/index.ts'
import { type CaseResult, inTurn, residentMemory } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

export interface IdleSettings {
  readonly directory: string
  readonly messages: number
  readonly idleMs: number
  readonly options?: Partial<StoreOptions>
}

await runCase<IdleSettings>(async ({ directory, messages, idleMs, options = {} }): Promise<CaseResult> => {
  const store = await openStore({ directory, ...options })
  const accept = inTurn(store)
  for (let index = 0; index < messages; index++) {
    await accept(() => store.append({ topic: 'bench-0', queueId: 0, body: `message ${index}` }))
  }
  await store.flushed()
  const cpu = process.cpuUsage()
  await new Promise(resolve => setTimeout(resolve, idleMs))
  const { user, system } = process.cpuUsage(cpu)

  const { rssMiB, ofFilesMiB, mappingCount } = residentMemory(directory)
  const count = store.maxOffset({ topic: 'bench-0', queueId: 0 })
  const { mapper } = store.info()
  await store.close()
  return {
    messages: count,
    seconds: idleMs / 1000,
    cpuUs: user + system,
    work: { count, hash: '' },
    settings: { mapper },
    details: {
      // Pages of the store's files belong to the page cache: the system takes them back whenever it wants to.
      residentMiB: rssMiB - ofFilesMiB,
      rssMiB,
      pageCacheMiB: ofFilesMiB,
      mappingCount,
      idleCpuPercent: (user + system) / (idleMs * 10)
    }
  }
})
