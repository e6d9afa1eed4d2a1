/**
 * The crash suite: `npm run test:crash -- [--short | --medium | --long] [--only NAME] [--seed N] [--count N]`.
 *
 * Worker threads and child processes cannot load TypeScript on Node 20, so the engine and the suite are compiled together,
 * into a folder of their own: what is compiled stays the same while the suite runs. Processes that are started many hundred
 * times, and the threads of all, are bundled, or most of their lives would be loading modules. What the suite does stands in
 * main.ts.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = path => fileURLToPath(new URL(path, import.meta.url))

const BUNDLED = [
  'src/workers/part.js',
  'src/workers/job.js',
  ...['producer', 'broker', 'syscall', 'thread-death'].map(name => `test/crash/${name}-process.js`)
]

/** @param what else the suite cannot run */
function must(what, ...command) {
  if (spawnSync(process.execPath, command, { stdio: 'inherit' }).status === 0) return
  process.stderr.write(`the crash suite cannot run: ${what}\n`)
  process.exit(1)
}

must('the sources do not compile', here('../../node_modules/typescript/bin/tsc'), '-p', here('tsconfig.json'))
must('its processes cannot be bundled', here('../../scripts/bundle.mjs'), 'dist-crash', ...BUNDLED)
const { main } = await import('../../dist-crash/test/crash/main.js')
// A case that failed may have left a store open, whose threads would keep this process alive.
process.exit(await main(process.argv.slice(2)))
