/** Disks that write down what happens to them: logged-disk.cc compiled, started, and its log read. Needs root on Linux. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DiskRecord, readDiskLog } from '../support/disk-log.ts'
import { unmount } from './mounted.ts'

const SOURCE = fileURLToPath(new URL('../../../test/crash/logged-disk.cc', import.meta.url))
const PROGRAM = 'logged-disk'

/** Compiles the program into `directory`. Returns why there can be none, or undefined. */
export function buildLoggedDisk(directory: string): string | undefined {
  for (const device of ['/dev/fuse', '/dev/loop-control']) if (!existsSync(device)) return `there is no ${device}`
  const compiler = process.env.CXX ?? 'c++'
  const { status, error, stderr } = spawnSync(compiler, [
    ...['-std=c++17', '-O2', '-Wall', '-Wextra'],
    ...['-o', join(directory, PROGRAM), SOURCE]
  ])
  if (error !== undefined) return `the C++ compiler ${compiler} cannot be run`
  return status === 0 ? undefined : `${compiler} says: ${String(stderr).trim()}`
}

export interface LoggedDisk {
  /** The disk, as a file: for a loop device. */
  readonly path: string
  /** A file. What is appended to it stands in the log, too, in order with what happens to the disk. */
  readonly mark: string
}

/** Runs `work` on a disk that is `image`, with the program in `directory`, and returns what happened to it. */
export async function recordDisk(
  directory: string,
  image: string,
  work: (disk: LoggedDisk) => Promise<void>
): Promise<DiskRecord[]> {
  const place = join(directory, 'logged')
  const log = join(directory, 'log')
  mkdirSync(place, { recursive: true })
  const program = spawn(join(directory, PROGRAM), [place, image, log], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  program.stderr.on('data', chunk => {
    complaints += chunk
  })
  const ended = once(program, 'close')
  await Promise.race([once(program.stdout, 'data'), ended])
  if (program.exitCode !== null) throw new Error(complaints)
  try {
    await work({ path: join(place, 'disk'), mark: join(place, 'mark') })
  } finally {
    // Lazily: the system gives the loop device back some time after the last file system on it is gone.
    unmount(place)
    await ended
  }
  if (program.exitCode !== 0) throw new Error(`the disk ended with ${program.exitCode}: ${complaints}`)
  return readDiskLog(readFileSync(log))
}
