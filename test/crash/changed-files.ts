/** The files of a store, some calls of which are others. */
import type { Files, OpenFile } from '../../src/store/files.ts'

export type FileWrapper = (file: OpenFile, files: Files) => Partial<OpenFile>

export function changed(files: Files, calls: Partial<Files>, ofFile: FileWrapper = () => ({})): Files {
  const open: Files['open'] = (path, mode) => {
    const file = files.open(path, mode)
    return overlay(file, ofFile(file, files))
  }
  return overlay(files, { open, ...calls })
}

/** A thing some calls of which are others. */
export function overlay<Thing extends object>(thing: Thing, calls: Partial<Thing>): Thing {
  return new Proxy(thing, {
    get(target, name) {
      const own = Reflect.get(calls, name)
      if (own !== undefined) return own
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
