/**
 * Compiles the addon with the system's own C++ compiler: no node-gyp, nothing is downloaded.
 *
 *   node native-bindings/build.mjs              build/varve.node, unless a prebuilt binary of these sources is there
 *   node native-bindings/build.mjs --sanitize   build/varve-sanitized.node, with address and undefined-behaviour checks
 *   node native-bindings/build.mjs --prebuild   prebuilds/<platform>-<arch>/varve.node, for the package
 *
 * A binary carries a hash of its sources and of this script, so that an unchanged tree compiles nothing. The N-API
 * version is fixed: one binary serves every Node version from 20 on.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const sourceDirectory = join(here, 'src')
const require = createRequire(import.meta.url)

const variants = {
  plain: { output: join(here, 'build', 'varve.node'), flags: ['-O2', '-g1'] },
  sanitize: {
    output: join(here, 'build', 'varve-sanitized.node'),
    flags: ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
  },
  prebuild: {
    output: join(here, 'prebuilds', `${process.platform}-${process.arch}`, 'varve.node'),
    flags: ['-O2', '-g0']
  }
}

// biome-ignore format: one line for each purpose.
const sharedFlags = [
  '-std=c++17', '-fPIC', '-pthread', '-DNAPI_VERSION=8',
  '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti',
  '-Wall', '-Wextra', '-Werror'
]

// Never unloaded: a worker thread that ends must not take the signal handler and the tables of the others with it.
const linkFlags =
  process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-Wl,-z,nodelete']

/**
 * @param {keyof typeof variants} variant
 * @returns {{ path: string, compiled: boolean } | { reason: string }} what can be loaded now, or why nothing can
 */
export function build(variant) {
  if (process.platform === 'win32') return { reason: 'the native bindings are for Linux and macOS' }
  const sources = sourceHash()
  const { output, flags } = variants[variant]
  const candidates = variant === 'plain' ? [variants.prebuild.output, output] : [output]
  const ready = candidates.find(path => isMadeFrom(path, sources) && (variant === 'sanitize' || loads(path)))
  if (ready !== undefined) return { path: ready, compiled: false }

  const include = headerDirectory()
  if (include === undefined) {
    return {
      reason: 'node_api.h is neither in the npm package node-api-headers nor beside this Node: run `npm install`'
    }
  }
  const compiler = process.env.CXX ?? 'c++'
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    return { reason: `there is no C++ compiler: \`${compiler}\` does not run (on Debian: apt install g++)` }
  }

  mkdirSync(dirname(output), { recursive: true })
  const unfinished = `${output}.${process.pid}`
  try {
    execFileSync(
      compiler,
      [
        ...sharedFlags,
        ...flags,
        `-DVARVE_SOURCES="${sources}"`,
        `-I${include}`,
        ...codeFiles(),
        ...linkFlags,
        '-o',
        unfinished
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] }
    )
    // Replaced, not overwritten: a running process may have the old file mapped.
    renameSync(unfinished, output)
  } catch (error) {
    rmSync(unfinished, { force: true })
    return { reason: `compiling the native bindings failed: ${error.message}` }
  }
  return { path: output, compiled: true }
}

function codeFiles() {
  const names = readdirSync(sourceDirectory).filter(name => name.endsWith('.cc'))
  return names.sort().map(name => join(sourceDirectory, name))
}

function sourceHash() {
  const hash = createHash('sha256')
  const names = readdirSync(sourceDirectory).sort()
  for (const path of [fileURLToPath(import.meta.url), ...names.map(name => join(sourceDirectory, name))]) {
    hash.update(readFileSync(path)).update('\0')
  }
  return hash.digest('hex')
}

function isMadeFrom(path, sources) {
  return existsSync(path) && readFileSync(path).includes(sources)
}

/** A binary for another C library or processor does not: then compiling one is the answer, not a failure. */
function loads(path) {
  try {
    return typeof require(path).map === 'function'
  } catch (error) {
    process.stderr.write(`native-bindings: ${path} does not load here: ${error.message}\n`)
    return false
  }
}

function headerDirectory() {
  const candidates = [join(dirname(dirname(process.execPath)), 'include', 'node')]
  try {
    candidates.unshift(require('node-api-headers').include_dir)
  } catch (error) {
    // Not installed, as in production: the headers beside Node do as well.
    if (error.code !== 'MODULE_NOT_FOUND') throw error
  }
  return candidates.find(directory => existsSync(join(directory, 'node_api.h')))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = process.argv[2]
  const variant = flag === undefined ? 'plain' : flag.replace(/^--/, '')
  if (variants[variant] === undefined) {
    process.stderr.write('usage: node native-bindings/build.mjs [--sanitize | --prebuild]\n')
    process.exit(2)
  }
  const result = build(variant)
  if (result.reason !== undefined) {
    process.stderr.write(`native-bindings: not built: ${result.reason}\n`)
    process.exit(1)
  }
  if (result.compiled) process.stdout.write(`native-bindings: compiled ${result.path}\n`)
}
