/** The file `checkpoint`: up to when each kind of file was on disk. One page, of which only these bytes are used. */
import { int53, layout } from './layout.ts'

export const CHECKPOINT = layout({
  logStoredAtMs: int53('store time of the last message known to be on disk in the commit log'),
  queuesStoredAtMs: int53('store time of the last message put into a consume queue'),
  indexStoredAtMs: int53('`endAtMs` of the last index file that was filled up and flushed'),
  masterFlushedOffset: int53('replication: how far the master has flushed; else 0'),
  confirmPhysicalOffset: int53('replication: position of the last record valid at recovery; else 0'),
  queuesPhysicalOffset: int53('since 5.5: last record whose queue entry is known to be on disk; 0 if not known')
})

export const CHECKPOINT_FILE_BYTES = 4096
