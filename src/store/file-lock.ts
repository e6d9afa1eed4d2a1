/**
 * One process per store: who holds the lock file.
 *
 * With the native bindings it is the record lock that Java's `FileChannel.lock(0, 1)` takes: the system gives it back
 * when the process ends, however it ends. Without them nothing in Node can take such a lock, so the holder's identity
 * lies in a file below varve/, and a holder that no longer lives is put aside. Each way also looks for the other's sign
 * after it has left its own: of two processes that start at once, one at least is refused. Java sees only the first.
 *
 * Nobody else opens the lock file: closing any descriptor of it drops the record lock.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { assert, errnoOf, systemError, VarveError } from '../base/index.ts'
import type { FileLock } from './files.ts'
import type { Native } from './mapping.ts'
import { sidecarDirectory } from './paths.ts'

/** What Apache RocketMQ writes into its lock file. */
const LOCK_FILE_TEXT = 'lock'

/** @throws STORE_LOCKED with the holder's pid, 0 where it cannot be known */
export function takeLock(path: string, native: Native | undefined): FileLock {
  try {
    const giveBack = native === undefined ? lockByHolderFile(path) : lockByRecord(path, native)
    let held = true
    return {
      release: () => {
        assert(held, 'a lock is released once')
        held = false
        giveBack()
      }
    }
  } catch (error) {
    throw systemError(error, 'lock', path)
  }
}

/**
 * Who holds the lock, found out without taking it or opening the file; undefined if nobody does. Outside of Linux only
 * holders without the native bindings are seen.
 */
export function lockHolder(path: string): number | undefined {
  const holder = readHolder(holderPathOf(path))
  if (holder !== undefined && isAlive(holder)) return holder.pid
  return recordHolderOf(path)
}

function lockByRecord(path: string, native: Native): () => void {
  const { file, holderPid } = native.lockFile(path)
  if (file === undefined) throw lockedBy(path, holderPid)
  try {
    const holder = readHolder(holderPathOf(path))
    if (holder !== undefined && isAlive(holder)) throw lockedBy(path, holder.pid)
    if (statSync(path).size === 0) writeSync(file, LOCK_FILE_TEXT, 0)
  } catch (error) {
    native.unlockFile(file)
    throw error
  }
  return () => native.unlockFile(file)
}

function lockByHolderFile(path: string): () => void {
  const holderPath = holderPathOf(path)
  const own = identityOf(process.pid)
  assert(own !== undefined, 'this process is alive')
  makeIfMissing(dirname(holderPath))
  const offered = `${holderPath}.${process.pid}`
  writeFileSync(offered, JSON.stringify(own))
  try {
    claim(path, holderPath, offered)
  } finally {
    rmSync(offered, { force: true })
  }

  const recordHolderPid = recordHolderOf(path)
  if (recordHolderPid !== undefined) {
    rmSync(holderPath)
    throw lockedBy(path, recordHolderPid)
  }
  return () => rmSync(holderPath, { force: true })
}

/** Not its parents: where there is no directory there is no store to lock. */
function makeIfMissing(directory: string): void {
  try {
    mkdirSync(directory)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

/** A link appears with its whole content or not at all, and only if the name is free. */
function claim(path: string, holderPath: string, offered: string): void {
  for (;;) {
    try {
      linkSync(offered, holderPath)
      return
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
    const holder = readHolder(holderPath)
    if (holder === undefined) continue // Given back meanwhile.
    if (isAlive(holder)) throw lockedBy(path, holder.pid)
    putAside(holderPath, holder)
  }
}

/** Removes the sign of a dead holder; if a living one has taken its place meanwhile, that one gets its name back. */
function putAside(holderPath: string, dead: Holder): void {
  const aside = `${holderPath}.${process.pid}.dead`
  try {
    renameSync(holderPath, aside)
    const moved = readHolder(aside)
    if (moved !== undefined && moved.text !== dead.text) linkSync(aside, holderPath)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error // ENOENT: somebody else was faster.
  } finally {
    rmSync(aside, { force: true })
  }
}

const NOBODY = 0

interface Identity {
  readonly pid: number
  /** When the process was started, in ticks since the system was: a later process of the same pid has another. */
  readonly startedAt: string
  /** Which start of the system; '' where it cannot be known. */
  readonly boot: string
}

interface Holder extends Identity {
  readonly text: string
}

/** Not beside the lock: names in the root of a store tell who has had it open (state-file.ts). */
const holderPathOf = (path: string): string => join(sidecarDirectory(dirname(path)), `${basename(path)}.holder`)

function readHolder(holderPath: string): Holder | undefined {
  const text = readIfThere(holderPath)
  if (text === undefined) return undefined
  try {
    const { pid, startedAt, boot } = JSON.parse(text) as Partial<Identity>
    if (Number.isSafeInteger(pid) && typeof startedAt === 'string' && typeof boot === 'string') {
      return { pid: pid as number, startedAt, boot, text } // Checked in this line's condition.
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  // It came into being whole, so the system has been down since and lost what was never synced.
  return { pid: NOBODY, startedAt: '', boot: '', text }
}

function isAlive(holder: Identity): boolean {
  const now = identityOf(holder.pid)
  return now !== undefined && now.startedAt === holder.startedAt && now.boot === holder.boot
}

/** Undefined if there is no such process. */
function identityOf(pid: number): Identity | undefined {
  if (pid <= NOBODY) return undefined // To `kill`, these are groups of processes.
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return undefined
    if (errnoOf(error) !== 'EPERM') throw error // EPERM: it lives, under another user.
  }
  // Fields of /proc/<pid>/stat; the second, a name in parentheses, may itself have spaces. The 22nd is the start.
  const stat = readIfThere(`/proc/${pid}/stat`) ?? ''
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  return { pid, startedAt, boot: readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? '' }
}

/** The pid that holds a record lock on the file, as far as the system tells: Linux does, in a table of all such locks. */
function recordHolderOf(path: string): number | undefined {
  const facts = statSync(path, { bigint: true, throwIfNoEntry: false })
  const table = facts === undefined ? undefined : readIfThere('/proc/locks')
  if (facts === undefined || table === undefined) return undefined
  // "1: POSIX  ADVISORY  WRITE 1234 fe:00:56789 0 0": the pid, and the device and inode of the file. The device is not
  // compared: some file systems give another one here than to `stat`, and a refusal too many is the lesser harm.
  const inode = `:${facts.ino}`
  const line = table.split('\n').find(text => text.includes('POSIX') && text.split(/\s+/)[5]?.endsWith(inode))
  return line === undefined ? undefined : Number(line.split(/\s+/)[4])
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined
    throw error
  }
}

function lockedBy(path: string, holderPid: number): VarveError {
  return new VarveError('STORE_LOCKED', { path, holderPid })
}
