/** What an idle process with an open store holds in memory, and what it does meanwhile. */
import { readFileSync } from 'node:fs'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { type CaseResult, runCase } from '../case.ts'
import { inTurn } from './refused.ts'

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

/** From the system's list of mappings, where it has one; elsewhere all is counted as resident. */
function residentMemory(directory: string): { rssMiB: number; ofFilesMiB: number; mappingCount: number } {
  if (process.platform !== 'linux')
    return { rssMiB: process.memoryUsage.rss() / 2 ** 20, ofFilesMiB: 0, mappingCount: 0 }
  let rssKiB = 0
  let ofFilesKiB = 0
  let mappingCount = 0
  let ofStore = false
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) {
      ofStore = line.includes(`${directory}/`)
      mappingCount += Number(ofStore)
    } else if (line.startsWith('Rss:')) {
      const kiB = Number.parseInt(line.slice(4), 10)
      rssKiB += kiB
      if (ofStore) ofFilesKiB += kiB
    }
  }
  return { rssMiB: rssKiB / 1024, ofFilesMiB: ofFilesKiB / 1024, mappingCount }
}
