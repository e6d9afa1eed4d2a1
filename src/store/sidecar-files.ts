/**
 * What the files below varve/ have in common: a block with magic, version and checksum.
 *
 * A block that is torn, rotten or of another kind does not exist. One that is whole but of a newer version is an error:
 * who goes on without it would undo what a newer Varve knows.
 *
 * Not here: replacing a file whole (replace-file.ts).
 */
import { crc32 } from 'node:zlib'
import { VarveError } from '../base/index.ts'
import { SIDECAR_HEAD, SIDECAR_VERSION } from '../layout/index.ts'
import type { Files } from './files.ts'
import { sidecarDirectory } from './paths.ts'

const CHECKED_HEAD_BYTES = SIDECAR_HEAD.at.checksum

export function encodeBlock(magic: number, payload: Uint8Array): Uint8Array {
  const block = new Uint8Array(SIDECAR_HEAD.sizeBytes + payload.length)
  const view = new DataView(block.buffer)
  block.set(payload, SIDECAR_HEAD.sizeBytes)
  const head = { magic, formatVersion: SIDECAR_VERSION, payloadBytes: payload.length, checksum: 0 }
  SIDECAR_HEAD.write(view, 0, head)
  SIDECAR_HEAD.write(view, 0, { ...head, checksum: checksumOf(block) })
  return block
}

/** The payload, or undefined if `bytes` do not begin with a whole block. @throws STORE_FORMAT_NEWER */
export function decodeBlock(magic: number, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < SIDECAR_HEAD.sizeBytes) return undefined
  const head = SIDECAR_HEAD.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0)
  const blockBytes = SIDECAR_HEAD.sizeBytes + head.payloadBytes
  if (head.magic !== magic || head.payloadBytes < 0 || blockBytes > bytes.length) return undefined
  const block = bytes.subarray(0, blockBytes)
  if (head.checksum !== checksumOf(block)) return undefined
  if (head.formatVersion > SIDECAR_VERSION) {
    throw new VarveError('STORE_FORMAT_NEWER', { formatVersion: head.formatVersion, known: SIDECAR_VERSION })
  }
  return block.subarray(SIDECAR_HEAD.sizeBytes)
}

function checksumOf(block: Uint8Array): number {
  return crc32(block.subarray(SIDECAR_HEAD.sizeBytes), crc32(block.subarray(0, CHECKED_HEAD_BYTES))) | 0
}

/** All bytes of a file; undefined if there is none. */
export function readFile(files: Files, path: string): Uint8Array | undefined {
  if (files.find(path) === undefined) return undefined
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(file.sizeBytes())
    return bytes.subarray(0, file.read(bytes, 0))
  } finally {
    file.close()
  }
}

/** `directory` is the root of the store. */
export function makeSidecarDirectory(files: Files, directory: string): void {
  if (files.find(sidecarDirectory(directory)) !== undefined) return
  files.makeDirectory(sidecarDirectory(directory))
  files.syncDirectory(directory)
}

/** Walks the fields of a payload; every size in it is checked against what is there. */
export class PayloadReader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get restBytes(): number {
    return this.bytes.length - this.at
  }

  /** The position of the next `count` bytes, which it passes over; undefined if they are not all there. */
  take(count: number): number | undefined {
    if (count < 0 || count > this.restBytes) return undefined
    const at = this.at
    this.at += count
    return at
  }

  takeText(count: number): string | undefined {
    const at = this.take(count)
    return at === undefined ? undefined : Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, count).toString()
  }
}

export function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
