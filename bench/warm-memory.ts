/**
 * Fills the free memory of the machine with page cache that anybody may take over, before each timed run.
 *
 * A virtual machine hands free pages back to its host, after seconds, and the first touch of such a page then costs
 * some 10 us: on the machine where this was found, `writev` of 1 KiB messages ran at 390,000/s from free memory and at
 * 1,250,000/s to 1,700,000/s from memory that was in use. Allocating and freeing does not help, the pages go back again.
 * Clean cache does: the kernel gives it to whoever needs memory without the host. It comes from reading a sparse file,
 * which takes no room on the disk and stays for the next time. Where nothing takes pages back this costs a few seconds.
 */
import { closeSync, mkdirSync, openSync, readSync, truncateSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './project.ts'

/** Of what is available; the rest is for processes that start meanwhile. */
const FILLED_RATIO = 0.88
const PIECE_BYTES = 2 ** 20

export function warmMemory(progress: (line: string) => void): void {
  const directory = join(projectRoot(), 'bench', 'data')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'sparse')
  const file = openSync(path, 'a+')
  const bytes = freemem() * FILLED_RATIO
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
  const beganMs = performance.now()
  truncateSync(path, Math.floor(bytes))
  for (let at = 0; at < bytes; at += PIECE_BYTES) readSync(file, piece, 0, PIECE_BYTES, at)
  closeSync(file)
  progress(
    `  the memory of the machine was filled with cache in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`
  )
}
