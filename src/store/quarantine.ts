/**
 * Quarantine: what stood behind the end of the log is kept, then cleared.
 *
 * Bytes that are no record may still be of use to somebody; and left where they are, they could be taken for records
 * once the log has grown up to them. They are copied to varve/quarantine, durably, before anything is cleared.
 */
import { join } from 'node:path'
import { MiB } from '../base/index.ts'
import { segmentName } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { lastDataIn } from './last-data.ts'
import { commitLogDirectory, quarantineDirectory, segmentPath, sidecarDirectory } from './paths.ts'

const BLOCK_BYTES = 1 * MiB

export interface TailCut {
  readonly directory: string
  readonly segmentBytes: number
  /** The end of the log. */
  readonly from: number
  /** Bases of all segments, in order. */
  readonly bases: readonly number[]
}

/** Clears everything from `from` on; segments after the one of `from` are removed. Undefined if there was nothing. */
export function cutTail(
  files: Files,
  { directory, segmentBytes, from, bases }: TailCut
): { bytes: number; path: string } | undefined {
  let bytes = 0
  let path = ''
  for (const base of bases) {
    if (base + segmentBytes <= from) continue
    const at = Math.max(0, from - base)
    const file = files.open(segmentPath(directory, base), 'write')
    try {
      const end = lastDataIn(file, at, segmentBytes)
      if (end > at) {
        const kept = keep(files, directory, file, base, at, end)
        path ||= kept
        bytes += end - at
        if (base <= from) clear(file, at, end)
      }
    } finally {
      file.close()
    }
  }
  // The last one first, each for good before the next: never is a segment missing between others.
  for (const base of bases.filter(later => later > from).reverse()) {
    files.remove(segmentPath(directory, base))
    files.syncDirectory(commitLogDirectory(directory))
  }
  return bytes === 0 ? undefined : { bytes, path }
}

function keep(files: Files, directory: string, from: OpenFile, base: number, at: number, end: number): string {
  const parent = quarantineDirectory(directory)
  files.makeDirectory(parent)
  // The same bytes of the same place get the same name, so that a recovery that is repeated keeps them once.
  const path = join(parent, `${segmentName(base + at)}-${end - at}`)
  const temporary = `${path}.part`
  files.remove(temporary)
  const into = files.open(temporary, 'create')
  try {
    const block = new Uint8Array(BLOCK_BYTES)
    for (let done = at; done < end; done += BLOCK_BYTES) {
      const part = block.subarray(0, Math.min(BLOCK_BYTES, end - done))
      from.read(part, done)
      into.write(part, done - at)
    }
    into.syncAll()
  } finally {
    into.close()
  }
  files.rename(temporary, path)
  files.syncDirectory(parent)
  files.syncDirectory(sidecarDirectory(directory))
  files.syncDirectory(directory)
  return path
}

function clear(file: OpenFile, at: number, end: number): void {
  const zeros = new Uint8Array(Math.min(BLOCK_BYTES, end - at))
  for (let done = at; done < end; done += zeros.length)
    file.write(zeros.subarray(0, Math.min(zeros.length, end - done)), done)
  file.syncAll()
}
