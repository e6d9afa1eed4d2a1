/**
 * Set-up: makes a checkout ready to run, and does nothing when it is.
 *
 * Five steps, each skipped when its result is current: dependencies, native bindings, mmap-io, compile, bundle. What was done
 * is remembered in `node_modules/.varve-setup.json`, so that a new `npm ci` forgets it. Runs on bare Node, before any
 * dependency exists, and uses nothing of the user's npm settings except the way to the registry.
 *
 * Native code is an optimisation: when it cannot be built, one line says why, the engine maps its files another way or
 * not at all, and the failure is not tried again until something changes. With `--dev` (tests, CI) a failure of our own
 * bindings ends the set-up, and what failed earlier is tried again.
 *
 * In a published package nothing but the native bindings is made: the rest is in it.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_VERSION_MIN = [20, 19]
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const inRoot = (...names) => join(root, ...names)
const stampPath = inRoot('node_modules', '.varve-setup.json')

class SetupFailed extends Error {}

/** @throws SetupFailed, whose message is meant for the user. */
export function setup({ dev = false } = {}) {
  requireNode()
  const isCheckout = existsSync(inRoot('package-lock.json'))
  if (isCheckout) installDependencies()
  buildNativeBindings({ dev })
  if (isCheckout) buildMmapIo({ dev })
  if (isCheckout) compile({ dev })
}

/** Ends the process when the set-up fails; for scripts. */
export function setupOrExit(options) {
  try {
    setup(options)
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error
    say(`set-up failed: ${error.message}\n`)
    process.exit(1)
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [majorMin, minorMin] = NODE_VERSION_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return
  throw new SetupFailed(
    `Varve needs Node.js ${majorMin}.${minorMin} or later; this is ${process.versions.node} (${process.execPath})`
  )
}

function installDependencies() {
  const lock = hash(readFileSync(inRoot('package-lock.json')))
  if (readStamp().lock === lock) return
  if (!isInstalled()) {
    // Install scripts stay off: only mmap-io has one, it would download a binary, and it is built below instead.
    const options = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
    const npm = npmCommand()
    const result = step('installing dependencies', () => run(npm.file, [...npm.args, 'ci', ...options], npm))
    if (!result.ok) throw new SetupFailed(`npm ci failed\n${result.output}`)
  }
  writeStamp({ lock })
}

/** Whether node_modules holds what the lock file asks for, as when the user has run `npm ci` before us. */
function isInstalled() {
  const installedPath = inRoot('node_modules', '.package-lock.json')
  if (!existsSync(installedPath)) return false
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    return found === undefined ? optional === true : found.version === version
  })
}

/** The npm that runs us, else the one on the path. Windows has it as a batch file, which only a shell can start. */
function npmCommand() {
  const running = process.env.npm_execpath
  if (running?.endsWith('npm-cli.js')) return { file: process.execPath, args: [running] }
  return { file: 'npm', args: [], shell: process.platform === 'win32' }
}

function buildNativeBindings({ dev }) {
  const script = inRoot('native-bindings', 'build.mjs')
  if (!existsSync(script)) return
  const key = `${process.platform}-${process.arch}-${fingerprint(['native-bindings'], /\.(mjs|cc|cpp|c|h|hpp|gyp)$/)}`
  const before = readStamp().nativeBindings
  const binaries = ['build', join('prebuilds', `${process.platform}-${process.arch}`)]
  const isThere = binaries.some(folder => existsSync(inRoot('native-bindings', folder, 'varve.node')))
  if (before?.key === key && (before.failure === undefined ? isThere : !dev)) return

  const result = step('building native bindings', () => run(process.execPath, [script]))
  if (!result.ok && dev) throw new SetupFailed(`the native bindings did not build\n${result.output}`)
  writeStamp({ nativeBindings: result.ok ? { key } : { key, failure: lastLine(result.output) } })
  if (!result.ok) say(`  not built, so Varve reads and writes files without mapping them: ${lastLine(result.output)}\n`)
}

/** mmap-io is bound to one Node version and is built beside what other versions left. */
function buildMmapIo({ dev }) {
  const directory = inRoot('node_modules', 'mmap-io')
  if (!existsSync(directory)) return
  const key = `node-v${process.versions.modules}-${process.platform}-${process.arch}`
  const product = `build/binding/Release/${key}`
  if (existsSync(join(directory, product, 'mmap_io.node'))) return
  const before = readStamp().mmapIo
  if (before?.key === key && !dev) return

  const { ok, output } = step('building mmap-io', () => compileMmapIo(directory, product))
  writeStamp({ mmapIo: ok ? { key } : { key, failure: lastLine(output) } })
  if (!ok) say(`  not built, Varve maps with its native bindings: ${lastLine(output)}\n`)
}

function compileMmapIo(directory, product) {
  const headers = dirname(dirname(realpathSync(process.execPath)))
  if (!existsSync(join(headers, 'include', 'node', 'node.h'))) {
    return { ok: false, output: 'no header files beside Node, and none are downloaded' }
  }
  const gyp = inRoot('node_modules', 'node-gyp', 'bin', 'node-gyp.js')
  if (!existsSync(gyp)) return { ok: false, output: 'node-gyp is not installed' }
  const variables = ['--module_name=mmap_io', `--module_path=${join(directory, product)}`]
  const args = [gyp, 'configure', 'build', `--nodedir=${headers}`, ...variables]
  return run(process.execPath, args, { cwd: directory, timeoutMs: 180_000 })
}

function compile({ dev }) {
  const settings = hash(readFileSync(inRoot('tsconfig.json')), readFileSync(inRoot('tsconfig.build.json')))
  const sources = `${fingerprint(['src', 'native-bindings'], /\.ts$/)}-${settings}`
  if (readStamp().compiled === sources && existsSync(inRoot('dist', 'src', 'index.js'))) return
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc')
  const result = step('compiling', () => run(process.execPath, [tsc, '-p', 'tsconfig.build.json']))
  if (!result.ok) throw new SetupFailed(`the sources do not compile\n${result.output}`)
  bundle({ dev })
  writeStamp({ compiled: sources })
}

/** Only starts quicker with it, so that where it cannot be made everything still works. */
function bundle({ dev }) {
  const { ok, output } = step('bundling', () => run(process.execPath, [inRoot('scripts', 'bundle.mjs')]))
  if (!ok && dev) throw new SetupFailed(`the bundle could not be made\n${output}`)
  if (!ok) say(`  not bundled, so that starting takes longer: ${lastLine(output)}\n`)
}

/** One line on stderr: what is being done, and once it is done how long it took. */
function step(name, work) {
  say(`set-up: ${name} ...`)
  const started = performance.now()
  const result = work()
  const took = ((performance.now() - started) / 1000).toFixed(1)
  say(result.ok ? ` ${took} s\n` : ` failed after ${took} s\n`)
  return result
}

function run(file, args, { cwd = root, shell = false, timeoutMs = 900_000 } = {}) {
  const options = {
    cwd,
    shell,
    timeout: timeoutMs,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe']
  }
  const { status, error, stdout, stderr } = spawnSync(file, args, options)
  const output = [stdout, stderr, error?.message].filter(Boolean).join('\n').trim()
  return { ok: status === 0, output }
}

/** Changes when a file below the folders is added, removed or written: names, sizes and times, no contents. */
function fingerprint(folders, pattern) {
  const facts = []
  for (const folder of folders) {
    if (!existsSync(inRoot(folder))) continue
    for (const entry of readdirSync(inRoot(folder), { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath ?? entry.path, entry.name)
      if (!entry.isFile() || !pattern.test(entry.name) || isProduct(path)) continue
      const { size, mtimeMs } = statSync(path)
      facts.push(`${path} ${size} ${mtimeMs}`)
    }
  }
  return hash(facts.sort().join('\n'))
}

const isProduct = path => path.startsWith(inRoot('native-bindings', 'build') + sep)

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampPath, 'utf8'))
  } catch {
    return {} // None yet, or half written: everything is checked again, which costs time only.
  }
}

function writeStamp(changes) {
  mkdirSync(dirname(stampPath), { recursive: true })
  writeFileSync(stampPath, `${JSON.stringify({ ...readStamp(), ...changes }, null, 2)}\n`)
}

function hash(...parts) {
  const sum = createHash('sha1')
  for (const part of parts) sum.update(part)
  return sum.digest('hex')
}

const lastLine = text => text.trimEnd().split('\n').at(-1)?.trim() || 'no reason given'

function say(text) {
  process.stderr.write(text)
}

const isMain = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isMain) setupOrExit({ dev: process.argv.includes('--dev') })
