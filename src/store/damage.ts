/**
 * Known damage (`varve/damage`): ranges of the log that hold no valid record although they once did. One line each, for
 * people too: CRC-32 in hex, a space, JSON. The file is replaced whole.
 *
 * It only saves looking again: a line that cannot be read is passed over, and the damage is found when it is read.
 */
import { join } from 'node:path'
import type { Files } from './files.ts'
import { sidecarDirectory } from './paths.ts'
import { isPosition, makeSidecarDirectory } from './sidecar-files.ts'
import { readLines, writeLines } from './sidecar-lines.ts'
import type { DamagedRange } from './store-api.ts'

export function readDamage(files: Files, directory: string): DamagedRange[] {
  const ranges = readLines(files, damagePath(directory)) as DamagedRange[] // Checksums say that `writeDamage` wrote them.
  return ranges.filter(({ from, until }) => isPosition(from) && isPosition(until) && from <= until)
}

/** Durable when it returns; replaces what was known before. */
export function writeDamage(files: Files, directory: string, ranges: readonly DamagedRange[]): void {
  makeSidecarDirectory(files, directory)
  const lines = ranges.map(({ from, until, reason }) => ({ from, until, reason }))
  writeLines(files, damagePath(directory), lines)
}

const damagePath = (directory: string): string => join(sidecarDirectory(directory), 'damage')
