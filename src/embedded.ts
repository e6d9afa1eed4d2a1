/** The engine in your own process: real files, worker threads, or everything inline. */
import { systemClock } from './base/index.ts'
import { inlineThreads, openRealFiles, openStoreWith, type Store, type StoreOptions } from './store/index.ts'
import { piscinaThreads } from './workers/index.ts'

/**
 * Opens the store in `options.directory`, recovering it first if need be. One process at a time may have it open.
 * @throws VarveError STORE_LOCKED, STORE_LAYOUT_FOREIGN, STORE_READ_ONLY, STORE_DISK_FULL, OPTION_INVALID, and others of docs/errors.md
 */
export function openStore(options: StoreOptions): Promise<Store> {
  const { threads = 'workers', mapper = 'auto', clock = systemClock } = options
  const files = options.files ?? openRealFiles({ mapper })
  return openStoreWith(options, {
    files,
    threads:
      threads === 'none' || options.files !== undefined ? inlineThreads(files, clock) : piscinaThreads(files.mapper)
  })
}
