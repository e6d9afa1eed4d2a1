/** Keeping what a failed case leaves behind: a simulated disk as real files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../src/store/files.ts'
import { DIRECTORY } from './simulated-store.ts'

/** Copies the store on the disk into `directory`, where `varve store` can look at it. */
export function keepDisk(files: Files, directory: string): void {
  const copy = (from: string, to: string): void => {
    mkdirSync(to, { recursive: true })
    for (const name of files.list(from)) {
      const facts = files.find(join(from, name))
      if (facts?.isDirectory === true) copy(join(from, name), join(to, name))
      else writeFileSync(join(to, name), bytesOf(files, join(from, name)))
    }
  }
  copy(DIRECTORY, join(directory, 'store'))
}

function bytesOf(files: Files, path: string): Uint8Array {
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(file.sizeBytes())
    file.read(bytes, 0)
    return bytes
  } finally {
    file.close()
  }
}
