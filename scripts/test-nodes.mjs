/**
 * Runs the unit tests on the other Node versions that Varve supports: `npm run test:nodes [-- 22 24]`.
 *
 * The binaries come from the npm package `node`, into a folder below the system's temporary one. One build of the native
 * bindings serves them all; mmap-io is bound to the version that built it, so these runs map through the bindings.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setupOrExit } from './setup.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const versions = process.argv.slice(2).filter(argument => /^\d+$/.test(argument))
const failed = []

setupOrExit({ dev: true })
for (const version of versions.length > 0 ? versions : ['20', '22', '24']) {
  const node = nodeBinary(version)
  console.log(`== Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status } = spawnSync(node, [vitest, 'run'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed.push(version)
}
console.log(failed.length === 0 ? 'all versions passed' : `failed on Node ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)

function nodeBinary(version) {
  const folder = join(tmpdir(), `varve-node-${version}`)
  const binary = join(folder, 'node_modules', 'node', 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  // The package's own install script only links the binary that its dependency for this platform brings.
  const npm = spawnSync(
    'npm',
    ['install', '--prefix', folder, '--no-save', '--foreground-scripts', `node@${version}`],
    {
      stdio: ['ignore', 'ignore', 'inherit']
    }
  )
  if (npm.status !== 0 || !existsSync(binary)) {
    console.error(`Node ${version} could not be had from the npm package \`node\``)
    process.exit(1)
  }
  return binary
}
