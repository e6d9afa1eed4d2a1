/**
 * The crash suite: `npm run test:crash -- [--short | --medium | --long] [--only NAME] [--seed N] [--count N]`.
 *
 * Worker threads and child processes cannot load TypeScript on Node 20, so the engine and the suite are compiled together,
 * into a folder of their own: what is compiled stays the same while the suite runs. What it does stands in main.ts.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = path => fileURLToPath(new URL(path, import.meta.url))

const compiled = spawnSync(
  process.execPath,
  [here('../../node_modules/typescript/bin/tsc'), '-p', here('tsconfig.json')],
  { stdio: 'inherit' }
)
if (compiled.status !== 0) {
  process.stderr.write('the crash suite cannot run: the sources do not compile\n')
  process.exit(1)
}
const { main } = await import('../../dist-crash/test/crash/main.js')
// A case that failed may have left a store open, whose threads would keep this process alive.
process.exit(await main(process.argv.slice(2)))
