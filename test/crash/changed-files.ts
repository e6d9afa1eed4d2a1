/** The files of a store, some calls of which are others; and files that say that the system has been started anew. */
import { systemClock } from '../../src/base/index.ts'
import type { Store, StoreOptions } from '../../src/index.ts'
import type { Files, OpenFile } from '../../src/store/files.ts'
import { inlineThreads, openRealFiles, openStoreWith } from '../../src/store/index.ts'
import { BOOT_ID_PATH } from '../../src/store/state-file.ts'
import { piscinaThreads } from '../../src/workers/index.ts'

export type FileWrapper = (file: OpenFile, files: Files) => Partial<OpenFile>

export function changed(files: Files, calls: Partial<Files>, ofFile: FileWrapper = () => ({})): Files {
  const open: Files['open'] = (path, mode) => {
    const file = files.open(path, mode)
    return overlay(file, ofFile(file, files))
  }
  return overlay(files, { open, ...calls })
}

function overlay<Thing extends object>(thing: Thing, calls: Partial<Thing>): Thing {
  return new Proxy(thing, {
    get(target, name) {
      const own = Reflect.get(calls, name)
      if (own !== undefined) return own
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** Opens a store on real files as it would be opened in another run of the system, of that name. */
export function openInRun(run: string, options: StoreOptions): Promise<Store> {
  const real = openRealFiles({ mapper: options.mapper ?? 'auto' })
  const files = changed(real, {}, file => {
    if (file.path !== BOOT_ID_PATH) return {}
    return { read: (into, at) => new TextEncoder().encodeInto(run.slice(at), into).written }
  })
  // The threads need not know: only the one that opens asks.
  const threads = options.threads === 'none' ? inlineThreads(files, systemClock) : piscinaThreads(real.mapper)
  return openStoreWith(options, { files, threads })
}
