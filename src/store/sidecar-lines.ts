/**
 * Files below varve/ that people may read too: one value a line, CRC-32 in hex, a space, JSON. They are replaced whole. A line
 * that cannot be read does not exist.
 */
import { crc32 } from 'node:zlib'
import { encodeText } from '../layout/index.ts'
import type { Files } from './files.ts'
import { replaceFile } from './replace-file.ts'
import { readFile } from './sidecar-files.ts'

/** None of a missing file. */
export function readLines(files: Files, path: string): unknown[] {
  const bytes = readFile(files, path) ?? new Uint8Array(0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString().split('\n').flatMap(readLine)
}

/** Durable when it returns. */
export function writeLines(files: Files, path: string, values: readonly object[]): void {
  const lines = values.map(value => {
    const json = JSON.stringify(value)
    return `${checksumOf(json)} ${json}\n`
  })
  replaceFile(files, path, encodeText(lines.join('')))
}

function readLine(line: string): unknown[] {
  const json = line.slice(CHECKSUM_DIGITS + 1)
  const isWhole = json !== '' && line.startsWith(`${checksumOf(json)} `)
  return isWhole ? [JSON.parse(json)] : []
}

const CHECKSUM_DIGITS = 8
const checksumOf = (json: string): string => crc32(json).toString(16).padStart(CHECKSUM_DIGITS, '0')
