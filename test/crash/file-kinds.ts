/** Which files a store has, and what each is to it. */
import { join } from 'node:path'
import type { Files } from '../../src/store/index.ts'

/** `log` is the truth; `derived` can be made anew from it; `own` is what Varve keeps about the log; `tables` are a broker's. */
export type FileKind = 'log' | 'queue' | 'index' | 'checkpoint' | 'own' | 'tables' | 'timer' | 'mark'

export interface KnownFile {
  readonly path: string
  readonly kind: FileKind
}

/** All files below the directory. */
export function filesOf(files: Files, directory: string): KnownFile[] {
  const found: KnownFile[] = []
  const walk = (path: string): void => {
    for (const name of files.list(path)) {
      const child = join(path, name)
      if (files.find(child)?.isDirectory === true) walk(child)
      else found.push({ path: child, kind: kindOf(child.slice(directory.length + 1)) })
    }
  }
  walk(directory)
  return found
}

function kindOf(name: string): FileKind {
  const first = name.split('/')[0]
  switch (first) {
    case 'commitlog':
      return 'log'
    case 'consumequeue':
      return 'queue'
    case 'index':
      return 'index'
    case 'checkpoint':
      return 'checkpoint'
    case 'config':
      return 'tables'
    case 'timerwheel':
    case 'timerlog':
      return 'timer'
    case 'varve':
      return name === 'varve/timer' ? 'timer' : 'own'
    default:
      return 'mark'
  }
}
