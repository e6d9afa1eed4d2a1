/** What the tests of the addon share: the addon itself, files to try it on, and other processes and threads that load it. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { loadNative, type Native } from '../../native-bindings/index.ts'

const bindings = loadNative()
if (bindings.native === undefined) throw new Error(bindings.reason)

export const native: Native = bindings.native
/** Threads and processes of a test load the binary itself: Node 20 gives them no TypeScript. */
export const binaryPath = bindings.path
export const loading = `const native = require(${JSON.stringify(binaryPath)}); const fs = require('node:fs');`

export const PAGE = 4096

/** Beside the binary rather than in the system's place for temporary files, which often is memory and no disk. */
export function freshDirectory(): string {
  const directory = mkdtempSync(join(dirname(binaryPath), 'test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface TestFile {
  readonly path: string
  readonly file: number
}

export function fileOf(bytes: number): TestFile {
  const path = join(freshDirectory(), 'file')
  const file = openSync(path, 'w+')
  onTestFinished(() => closeSync(file))
  truncateSync(path, bytes)
  return { path, file }
}

/** How many ranges of this process's memory show the file. */
export function mappingCount(path: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.endsWith(path)).length
}

/** Lets the system drop the file from its memory, so that the next read has to come from the disk. */
export function forget(path: string): void {
  const file = openSync(path, 'r')
  native.syncData(file)
  closeSync(file)
  const { status, stderr } = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** Runs code in a process of its own that has the addon as `native`. */
export function inChild(code: string, options: { flags?: string[]; env?: NodeJS.ProcessEnv; cwd?: string } = {}) {
  const { flags = [], env = {}, cwd } = options
  return spawnSync(process.execPath, [...flags, '-e', `${loading}${code}`], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd })
  })
}

/** The `code` of the error that a call throws; undefined if it throws none. */
export function codeOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
  return undefined
}
