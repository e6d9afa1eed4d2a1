/** Where things are. Bench code runs from its sources in tests and from dist-bench/ in child processes. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'tsconfig.bench.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error('no tsconfig.bench.json above the benchmarks')
    directory = parent
  }
  return directory
}

/** The compiled file of a case, such as `store/append.case.ts`: Node 20 runs no TypeScript in a child process. */
export function compiledCase(file: string): string {
  return join(projectRoot(), 'dist-bench', 'bench', file.replace(/\.ts$/, '.js'))
}
