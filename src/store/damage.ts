/**
 * Known damage (`varve/damage`): ranges of the log that hold no valid record although they once did. One line each, for
 * people too: CRC-32 in hex, a space, JSON. The file is replaced whole.
 *
 * It only saves looking again: a line that cannot be read is passed over, and the damage is found when it is read.
 */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { encodeText } from '../layout/index.ts'
import type { Files } from './files.ts'
import { sidecarDirectory } from './paths.ts'
import { replaceFile } from './replace-file.ts'
import { isPosition, makeSidecarDirectory, readFile } from './sidecar-files.ts'
import type { DamagedRange } from './store-api.ts'

export function readDamage(files: Files, directory: string): DamagedRange[] {
  const bytes = readFile(files, damagePath(directory)) ?? new Uint8Array(0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString()
    .split('\n')
    .map(decodeLine)
    .filter(range => range !== undefined)
}

/** Durable when it returns; replaces what was known before. */
export function writeDamage(files: Files, directory: string, ranges: readonly DamagedRange[]): void {
  makeSidecarDirectory(files, directory)
  replaceFile(files, damagePath(directory), encodeText(ranges.map(encodeLine).join('')))
}

const damagePath = (directory: string): string => join(sidecarDirectory(directory), 'damage')

const checksumOf = (json: string): string => crc32(json).toString(16).padStart(8, '0')

function encodeLine({ from, until, reason }: DamagedRange): string {
  const json = JSON.stringify({ from, until, reason })
  return `${checksumOf(json)} ${json}\n`
}

function decodeLine(line: string): DamagedRange | undefined {
  const json = line.slice(9)
  if (json === '' || line.slice(0, 9) !== `${checksumOf(json)} `) return undefined
  const range = JSON.parse(json) as DamagedRange // The checksum says that `encodeLine` wrote it.
  return isPosition(range.from) && isPosition(range.until) && range.from <= range.until ? range : undefined
}
