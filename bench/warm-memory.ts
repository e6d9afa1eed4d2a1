/**
 * Fills the free memory of the machine with page cache that anybody may take over, before each timed run.
 *
 * A virtual machine hands free pages back to its host, after seconds, and the first touch of such a page then costs
 * some 10 us: on the machine where this was found, `writev` of 1 KiB messages ran at 390,000/s from free memory and at
 * 1,250,000/s to 2,100,000/s from memory that was in use. Allocating and freeing does not help, the pages go back again.
 * Clean cache does: the kernel gives it to whoever needs memory without the host. It comes from reading a sparse file,
 * which takes no room on the disk and stays for the next time. Where nothing takes pages back this costs a few seconds.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './project.ts'

const MEMORY_FACTS = '/proc/meminfo'
/** Little more than what the kernel keeps free anyway: whatever is left over is used first, and is cold. */
const LEFT_BYTES = 2 ** 28
const PIECE_BYTES = 2 ** 20
/** Between two looks at how much is left. */
const STEP_BYTES = 2 ** 26

export function warmMemory(progress: (line: string) => void): void {
  if (!existsSync(MEMORY_FACTS)) return // Not Linux: nothing is known there of memory that is taken back.
  const directory = join(projectRoot(), 'bench', 'data')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'sparse')
  const file = openSync(path, 'a+')
  const beganMs = performance.now()
  try {
    truncateSync(path, totalmem())
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
    let at = 0
    while (at + STEP_BYTES <= totalmem() && freeBytes() > LEFT_BYTES) {
      for (const until = at + STEP_BYTES; at < until; at += PIECE_BYTES) readSync(file, piece, 0, PIECE_BYTES, at)
    }
  } finally {
    closeSync(file)
  }
  progress(
    `  the memory of the machine was filled with cache in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`
  )
}

const DROP_CACHES = '/proc/sys/vm/drop_caches'

/** Why what files hold cannot be put out of memory here; undefined where it can. */
export function whyNotCold(): string | undefined {
  return existsSync(DROP_CACHES) && process.getuid?.() === 0 ? undefined : 'only root may empty the page cache'
}

/** Puts what files hold out of memory, and fills that with what nobody reads: what comes next is cold. */
export function evictFiles(progress: (line: string) => void): void {
  execFileSync('sync')
  writeFileSync(DROP_CACHES, '1')
  warmMemory(progress)
}

/** Really free, not what `os.freemem` says: that counts cache as free. */
function freeBytes(): number {
  const kiB = /^MemFree: +(\d+) kB$/m.exec(readFileSync(MEMORY_FACTS, 'utf8'))?.[1]
  if (kiB === undefined) throw new Error(`${MEMORY_FACTS} has no MemFree`)
  return Number(kiB) * 1024
}
