/** Index log: puts the keys of a stretch of the commit log into the key index, when recovery finds them missing. */
import { systemClock } from '../base/index.ts'
import { SYS_FLAG } from '../layout/index.ts'
import type { Files } from './files.ts'
import { forEachKeyHash, type IndexCover, openKeyIndex } from './key-index.ts'
import { LogReader } from './log-reader.ts'
import { LogWalk } from './log-walk.ts'
import { indexDirectory } from './paths.ts'

export interface IndexRequest {
  readonly directory: string
  readonly segmentBytes: number
  readonly indexSlots: number
  readonly indexItems: number
  /** Both are starts of records, or of segments. */
  readonly from: number
  readonly until: number
}

/** What is in the index already is passed over. Returns what the index covers then. @throws VarveError STORE_DISK_FULL */
export function indexLog(files: Files, request: IndexRequest): IndexCover {
  const { directory, from, until, segmentBytes, indexSlots: slots, indexItems: items } = request
  const index = openKeyIndex({ files, clock: systemClock, directory: indexDirectory(directory), slots, items })
  const reader = new LogReader(files, request)
  try {
    const walk = new LogWalk(reader, from, {
      segmentBytes,
      visit(bytes, positions) {
        const isRolledBack = (positions.sysFlag & SYS_FLAG.TRANSACTION_MASK) === SYS_FLAG.TRANSACTION_ROLLBACK
        if (!isRolledBack) forEachKeyHash(bytes, positions, index, positions.physicalOffset)
      },
      onDamage() {} // Reported by whoever puts the same stretch into the queues.
    })
    walk.run(until, until)
    return index.cover
  } finally {
    index.close()
    reader.close()
  }
}
