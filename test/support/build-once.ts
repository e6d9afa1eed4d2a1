/**
 * Worker threads on Node 20 cannot load TypeScript, so tests that start real threads run the compiled entry files.
 * Compiling here, before any test, is what keeps those files from being older than the sources under test.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export default function setup(): void {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
  // The command line is tested as its users have it.
  execFileSync(process.execPath, ['scripts/bundle.mjs'], { stdio: 'ignore' })
}
