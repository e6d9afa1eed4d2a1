/**
 * Plain files: `writev` of many bodies at once, with or without `fdatasync`. Not a store (no index, no recovery, no
 * framing) but the limit of the machine that a store can be held against.
 */

import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import {
  bodies,
  type CaseResult,
  type Extent,
  figuresOf,
  HASHED_COUNT,
  hashOf,
  streamLoad
} from '../../src/load/index.ts'
import { runCase } from '../case.ts'

export interface FilesSettings {
  readonly directory: string
  readonly extent: Extent
  readonly bodyBytes: number
  readonly batchCount?: number
  /** `fdatasync` after so many messages; never without it. */
  readonly syncEvery?: number
}

/** As large as a segment of the log, so that files are made as often. */
const FILE_BYTES_MAX = 2 ** 30

await runCase<FilesSettings>(
  async ({ directory, extent, bodyBytes, batchCount = 100, syncEvery }): Promise<CaseResult> => {
    const body = bodies(bodyBytes)
    const batches = Array.from({ length: body.length }, (_, from) =>
      Array.from({ length: batchCount }, (_, i) => body[(from + i) & (body.length - 1)]!)
    )
    let file = openSync(join(directory, '0'), 'w+')
    let fileCount = 1
    let fileBytes = 0
    let unsynced = 0
    let totalBytes = 0
    const openFiles = [file]

    const load = await streamLoad({
      extent,
      perCall: batchCount,
      timeEach: syncEvery !== undefined,
      write: first => {
        if (fileBytes + batchCount * bodyBytes > FILE_BYTES_MAX) {
          if (syncEvery !== undefined) fdatasyncSync(file)
          file = openSync(join(directory, String(fileCount++)), 'w+')
          openFiles.push(file)
          fileBytes = 0
        }
        const written = writevSync(file, batches[first & (body.length - 1)]!) // Inside by the mask.
        if (written !== batchCount * bodyBytes)
          throw new Error(`writev wrote ${written} bytes of ${batchCount * bodyBytes}`)
        fileBytes += written
        totalBytes += written
        unsynced += batchCount
        if (syncEvery !== undefined && unsynced >= syncEvery) {
          fdatasyncSync(file)
          unsynced = 0
        }
        return true
      }
    })

    if (totalBytes !== load.all * bodyBytes) throw new Error('the files do not hold what was written')
    const hash = hashOf(firstBodies(openFiles[0]!, { count: Math.min(HASHED_COUNT, load.all), bodyBytes })) // The first file is open.
    for (const open of openFiles) {
      ftruncateSync(open, 0)
      closeSync(open)
    }
    const settings = { call: 'writev', batchCount, bodyBytes, fdatasyncEvery: syncEvery ?? 'never' }
    return { ...figuresOf(load), work: { count: load.messages, hash }, settings, details: {} }
  }
)

function firstBodies(file: number, { count, bodyBytes }: { count: number; bodyBytes: number }): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const body = new Uint8Array(bodyBytes)
    readSync(file, body, 0, bodyBytes, index * bodyBytes)
    return body
  })
}
