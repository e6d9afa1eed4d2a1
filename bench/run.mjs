/**
 * `npm run bench -- <names> [--json] [--smoke] [--seconds N] [--rounds N] [--no-peers] [--directory D]`, or `-- --list`.
 *
 * Compiles first, because Node 20 runs no TypeScript and child processes need files: the benchmarks then never run
 * yesterday's code. The output has a folder of its own, so that a build of the package changes nothing under a run.
 * Everything else is in main.ts.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
// The compiler speaks on stdout; with --json only the reports may.
const compiled = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.bench.json'], { cwd: root, stdio: ['ignore', 2, 2] })
if (compiled.status === 0) {
  // Threads come up from a bundle, as those of a package do.
  const bundle = fileURLToPath(new URL('../scripts/bundle.mjs', import.meta.url))
  spawnSync(process.execPath, [bundle, 'dist-bench'], { cwd: root, stdio: ['ignore', 'ignore', 2] })
  const { main } = await import(new URL('../dist-bench/bench/main.js', import.meta.url).href)
  process.exitCode = await main(process.argv.slice(2))
} else {
  process.stderr.write('the sources do not compile, so no benchmark ran\n')
  process.exitCode = 1
}
