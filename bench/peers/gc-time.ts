/** Where the threads of a watched process say how long they have collected garbage, and the sum of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Of the environment; names the directory. */
export const GC_DIRECTORY = 'VARVE_BENCH_GC_DIRECTORY'

export const gcDirectory = (directory: string): string => join(directory, 'gc')

/** Microseconds, of all threads: what their pauses took, without what helper threads do beside them. */
export function gcUs(directory: string): number {
  const place = gcDirectory(directory)
  if (!existsSync(place)) return 0
  const files = readdirSync(place).map(name => readFileSync(join(place, name), 'utf8'))
  return files.reduce((sum, text) => sum + Number(text), 0)
}
