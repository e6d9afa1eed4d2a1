/** Keeping what a failed case leaves behind: a simulated disk as real files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../src/store/files.ts'
import { contentOf } from '../support/file-content.ts'
import { DIRECTORY } from './simulated-store.ts'

/** Copies the store on the disk into `directory`, where `varve store` can look at it. */
export function keepDisk(files: Files, directory: string): void {
  const copy = (from: string, to: string): void => {
    mkdirSync(to, { recursive: true })
    for (const name of files.list(from)) {
      const facts = files.find(join(from, name))
      if (facts?.isDirectory === true) copy(join(from, name), join(to, name))
      else writeFileSync(join(to, name), contentOf(files, join(from, name)))
    }
  }
  copy(DIRECTORY, join(directory, 'store'))
}
