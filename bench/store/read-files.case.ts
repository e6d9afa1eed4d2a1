/** What the disk gives: the files of a log, read from end to end, a mebibyte at a time, and nothing looked at. */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type CaseResult, measured } from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { MiB } from './sizes.ts'

export interface ReadFilesSettings {
  readonly data: string
  /** Messages in them, so that the rate is one of messages too. */
  readonly count: number
}

await runCase<ReadFilesSettings>(async ({ data, count }): Promise<CaseResult> => {
  const directory = join(data, 'commitlog')
  const piece = Buffer.allocUnsafeSlow(MiB)
  const { result, seconds, cpuUs } = await measured(() => {
    let bytes = 0
    for (const name of readdirSync(directory).sort()) {
      const file = openSync(join(directory, name), 'r')
      for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) bytes += read
      closeSync(file)
    }
    return bytes
  })
  return {
    messages: count,
    seconds,
    cpuUs,
    work: { count, hash: 'read' },
    settings: { pieceBytes: MiB },
    details: { mibPerSecond: result / MiB / seconds }
  }
})
