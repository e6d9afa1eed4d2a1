/** Varve appends. append.bench.ts lists the settings in use, src/load/store-load.ts has the loop. */
import { openStore, type StoreOptions } from '../../src/index.ts'
import { type CaseResult, runStoreLoad, type StoreLoadSettings } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

export interface AppendSettings extends StoreLoadSettings {
  readonly directory: string
  readonly flush: 'async' | 'sync'
  readonly options?: Partial<StoreOptions>
}

await runCase<AppendSettings>(async ({ directory, flush, options = {}, ...load }): Promise<CaseResult> => {
  const store = await openStore({ directory, flush, ...options })
  const result = await runStoreLoad(store, load)
  await store.close()
  return { ...result, settings: { flush, ...result.settings } }
})
