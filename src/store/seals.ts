/**
 * Seals (`varve/seals`): what a full segment hashed to when it was complete, so that rot is found by reading it again.
 *
 * Entries are only appended; each has its own checksum, and one that does not fit is passed over: a crash while
 * appending loses that seal and no other. The newest entry of a segment counts.
 */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { MiB, openHash } from '../base/index.ts'
import { SEAL } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { segmentPath, sidecarDirectory } from './paths.ts'
import { replaceFile } from './replace-file.ts'
import { isPosition, makeSidecarDirectory, readFile } from './sidecar-files.ts'

const HASH_BYTES = 1 * MiB

export interface Seal {
  /** First position of the segment. */
  readonly base: number
  readonly usedBytes: number
  /** xxHash64 of the used bytes. */
  readonly hash: bigint
}

/** By base of the segment. A missing file is an empty one. */
export function readSeals(files: Files, directory: string): Map<number, Seal> {
  const bytes = readFile(files, sealsPath(directory)) ?? new Uint8Array(0)
  const seals = new Map<number, Seal>()
  for (let at = 0; at + SEAL.sizeBytes <= bytes.length; at += SEAL.sizeBytes) {
    const seal = decodeSeal(bytes.subarray(at, at + SEAL.sizeBytes))
    if (seal !== undefined) seals.set(seal.base, seal)
  }
  return seals
}

/** xxHash64 of the first `bytes` bytes of a segment. */
export async function hashSegment(files: Files, directory: string, base: number, bytes: number): Promise<bigint> {
  const { startXxh64 } = await openHash()
  const hash = startXxh64()
  const file = files.open(segmentPath(directory, base), 'read')
  try {
    const block = new Uint8Array(HASH_BYTES)
    for (let at = 0; at < bytes; at += block.length) {
      const part = block.subarray(0, Math.min(block.length, bytes - at))
      file.read(part, at)
      hash.update(part)
    }
    return hash.digest()
  } finally {
    file.close()
  }
}

export class Seals {
  readonly #files: Files
  readonly #directory: string
  readonly #entries: Map<number, Seal>
  #file: OpenFile
  #end: number

  constructor(files: Files, directory: string) {
    this.#files = files
    this.#directory = directory
    makeSidecarDirectory(files, directory)
    this.#entries = readSeals(files, directory)
    this.#file = files.open(sealsPath(directory), 'create')
    this.#end = endOfWhole(this.#file)
  }

  /** By base of the segment. */
  get entries(): ReadonlyMap<number, Seal> {
    return this.#entries
  }

  /** Durable when it returns. */
  add(seal: Seal): void {
    this.#file.write(encodeSeal(seal), this.#end)
    this.#file.syncAll()
    if (this.#end === 0) this.#files.syncDirectory(sidecarDirectory(this.#directory))
    this.#end += SEAL.sizeBytes
    this.#entries.set(seal.base, seal)
  }

  /** Forgets the seals of segments that do not begin in `[from, until)`. */
  keep({ from, until }: { from: number; until: number }): void {
    const gone = [...this.#entries.keys()].filter(base => base < from || base >= until)
    if (gone.length === 0) return
    for (const base of gone) this.#entries.delete(base)
    const bytes = Buffer.concat([...this.#entries.values()].map(encodeSeal))
    const path = sealsPath(this.#directory)
    replaceFile(this.#files, path, bytes)
    this.#file.close()
    this.#file = this.#files.open(path, 'create')
    this.#end = bytes.length
  }

  close(): void {
    this.#file.close()
  }
}

const sealsPath = (directory: string): string => join(sidecarDirectory(directory), 'seals')

/** What a crash left of a last entry is written over. */
function endOfWhole(file: OpenFile): number {
  const sizeBytes = file.sizeBytes()
  return sizeBytes - (sizeBytes % SEAL.sizeBytes)
}

function encodeSeal({ base, usedBytes, hash }: Seal): Uint8Array {
  const bytes = new Uint8Array(SEAL.sizeBytes)
  const view = new DataView(bytes.buffer)
  const hashHigh = Number(BigInt.asIntN(32, hash >> 32n))
  const hashLow = Number(BigInt.asIntN(32, hash))
  SEAL.write(view, 0, { base, usedBytes, hashHigh, hashLow, reserved: 0, checksum: 0 })
  view.setInt32(SEAL.at.checksum, checksumOf(bytes))
  return bytes
}

function decodeSeal(bytes: Uint8Array): Seal | undefined {
  const { base, usedBytes, hashHigh, hashLow, checksum } = SEAL.read(
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    0
  )
  if (checksum !== checksumOf(bytes) || !isPosition(base) || !isPosition(usedBytes)) return undefined
  // A stretch of zeros fits its checksum in no case: CRC-32 of zeros is not zero.
  return { base, usedBytes, hash: (BigInt.asUintN(32, BigInt(hashHigh)) << 32n) | BigInt.asUintN(32, BigInt(hashLow)) }
}

const checksumOf = (bytes: Uint8Array): number => crc32(bytes.subarray(0, SEAL.at.checksum)) | 0
