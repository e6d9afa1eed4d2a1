/**
 * The mark of running: what in the directory says whether a store is open, was closed, or has crashed. For Apache RocketMQ
 * that is the file `abort`, for ourselves the state (state-file.ts), which knows the `abort` that it belongs to.
 *
 * Invariants:
 * - between two steps of `markRunning` the directory says what it said before, or that a store is running: a start that
 *   ends half-way leaves the next one no more to look at than itself had
 * - what the state calls durable is durable before the state is
 *
 * Not here: what is made of it at the next start (recovery.ts), what is saved meanwhile (state-keeper.ts).
 */
import { CheckpointFile } from './checkpoint.ts'
import { clearDoubt } from './doubt.ts'
import type { Files } from './files.ts'
import { listSegments } from './log-segments.ts'
import type { ResolvedOptions } from './options.ts'
import {
  abortPath,
  commitLogDirectory,
  consumeQueueDirectory,
  indexDirectory,
  nextAbortPath,
  nextSegmentPath,
  segmentPath,
  sidecarDirectory
} from './paths.ts'
import type { Recovered } from './recovery.ts'
import { currentRun, encodeQueueTable, ownerToken, parseQueueTable, StateFile, saveQueueTable } from './sidecar.ts'
import type { QueueTableBytes, ThreadSetup } from './threads.ts'

/** From here on the directory says that a store is running, or has crashed. */
export function markRunning(files: Files, options: ResolvedOptions, recovered: Recovered): ThreadSetup['identity'] {
  const { directory, segmentBytes, queueFileEntries, indexSlots, indexItems } = options
  for (const path of [
    commitLogDirectory(directory),
    consumeQueueDirectory(directory),
    indexDirectory(directory),
    sidecarDirectory(directory)
  ]) {
    files.makeDirectory(path)
  }
  new CheckpointFile(files, directory).close()
  // The state must know the file before it has its name, or a state and an `abort` that do not belong together could be
  // left: that is how a directory looks in which somebody else has been.
  writeText(files, nextAbortPath(directory), String(process.pid))
  const identity = {
    segmentBytes,
    queueFileEntries,
    indexSlots,
    indexItems,
    run: currentRun(files, directory),
    ownerToken: ownerToken(files, directory, nextAbortPath(directory))
  }
  const { appended } = recovered
  if (recovered.report.kind !== 'clean') saveQueueTable(files, directory, tableOf(recovered))
  const state = new StateFile(files, directory)
  // Recovery has made all of the log durable.
  state.save(
    {
      ...identity,
      durableUntil: appended,
      seenUntil: appended,
      clean: false,
      indexEndPhysicalOffset: 0,
      savedAtMs: options.clock.nowMs()
    },
    { durable: true }
  )
  state.close()
  files.syncDirectory(sidecarDirectory(directory))
  files.rename(nextAbortPath(directory), abortPath(directory))
  files.syncDirectory(directory)
  clearDoubt(files, directory)
  return identity
}

/** Everything is flushed and dispatched: says so, to ourselves and to Apache RocketMQ. */
export function markClean(
  files: Files,
  options: ResolvedOptions,
  identity: ThreadSetup['identity'],
  appended: number,
  storedAtMs: number,
  table: QueueTableBytes
): void {
  const { directory, segmentBytes, clock } = options
  removeUnusedSegment(files, directory, segmentBytes, appended)
  saveQueueTable(files, directory, table.table)
  const checkpoint = new CheckpointFile(files, directory)
  checkpoint.write(
    {
      logStoredAtMs: storedAtMs,
      queuesStoredAtMs: storedAtMs,
      indexStoredAtMs: 0,
      masterFlushedOffset: 0,
      confirmPhysicalOffset: appended,
      queuesPhysicalOffset: 0
    },
    { durable: true }
  )
  checkpoint.close()
  files.remove(abortPath(directory))
  files.syncDirectory(directory)
  const state = new StateFile(files, directory)
  state.save(
    {
      ...identity,
      ownerToken: ownerToken(files, directory),
      durableUntil: appended,
      seenUntil: appended,
      clean: true,
      indexEndPhysicalOffset: parseQueueTable(table.table)?.index.end ?? 0,
      savedAtMs: clock.nowMs()
    },
    { durable: true }
  )
  state.close()
}

/** What the queues hold now, so that the next recovery need not look further back. */
function tableOf({ appended, queues, index }: Recovered): Uint8Array {
  return encodeQueueTable({
    untilPhysicalOffset: appended,
    index,
    queues: queues.map(({ topic, queueId, nextOffset, firstOffset }) => ({
      topic,
      queueId,
      firstOffset,
      maxOffset: nextOffset,
      maxPhysicalEnd: appended
    }))
  })
}

/** The segment prepared ahead holds nothing; Apache RocketMQ removes its own at this point too. */
function removeUnusedSegment(files: Files, directory: string, segmentBytes: number, appended: number): void {
  const active = Math.floor(appended / segmentBytes)
  for (const base of listSegments(files, directory, segmentBytes)) {
    if (base > active * segmentBytes) files.remove(segmentPath(directory, base))
  }
  files.remove(nextSegmentPath(directory))
  files.syncDirectory(commitLogDirectory(directory))
}

function writeText(files: Files, path: string, text: string): void {
  const file = files.open(path, 'create')
  try {
    file.setSize(0)
    file.write(new TextEncoder().encode(text), 0)
    file.syncAll()
  } finally {
    file.close()
  }
}
