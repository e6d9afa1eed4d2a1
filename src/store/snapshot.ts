/**
 * Snapshot: a copy of the store as of one instant, made while writing goes on.
 *
 * The queue table is taken first, with everything dispatched; what the copy holds is the log below that position. The
 * log is only ever appended to, and queue entries below the table's offsets are never changed, so both can be copied
 * without stopping anybody. What lies beyond is cleared or left out; the copy opens as after a clean close.
 *
 * Not here: keeping retention away meanwhile (store.ts).
 */
import { join } from 'node:path'
import { type PhysicalOffset, VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, segmentName } from '../layout/index.ts'
import { CheckpointFile } from './checkpoint.ts'
import type { Files } from './files.ts'
import type { RunJob } from './jobs.ts'
import type { ResolvedOptions } from './options.ts'
import {
  commitLogDirectory,
  consumeQueueDirectory,
  lockPath,
  queueDirectory,
  segmentPath,
  sidecarDirectory,
  topicDirectory
} from './paths.ts'
import { queueFileBases } from './queue-minimum.ts'
import { copyDeletedTopics, ownerToken, parseQueueTable, type QueueRow, StateFile } from './sidecar.ts'
import type { SnapshotReport } from './store-api.ts'
import type { QueueTableBytes } from './threads.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes

export interface SnapshotWorld {
  readonly files: Files
  readonly options: ResolvedOptions
  readonly runJob: RunJob
  readonly firstPosition: number
  readonly queueTable: () => Promise<QueueTableBytes>
}

export async function takeSnapshot(directory: string, world: SnapshotWorld): Promise<SnapshotReport> {
  const { files, options, runJob, firstPosition } = world
  if (files.list(directory).length > 0)
    throw new VarveError('OPTION_INVALID', { option: 'directory', value: directory, range: 'missing or empty' })
  const { until, storedAtMs, table } = await world.queueTable()
  files.makeDirectory(commitLogDirectory(directory))
  files.makeDirectory(consumeQueueDirectory(directory))

  let bytes = 0
  const { segmentBytes } = options
  for (let base = firstPosition; base < until || base === firstPosition; base += segmentBytes) {
    const used = Math.min(segmentBytes, until - base)
    await runJob({
      type: 'copy',
      from: segmentPath(options.directory, base),
      to: segmentPath(directory, base),
      bytes: used,
      sizeBytes: segmentBytes
    })
    bytes += used
  }
  for (const row of parseQueueTable(table)?.queues ?? []) bytes += await copyQueue(world, directory, row)

  const checkpoint = new CheckpointFile(files, directory)
  checkpoint.write(
    {
      logStoredAtMs: storedAtMs,
      queuesStoredAtMs: storedAtMs,
      indexStoredAtMs: 0,
      masterFlushedOffset: 0,
      confirmPhysicalOffset: until,
      queuesPhysicalOffset: 0
    },
    { durable: true }
  )
  checkpoint.close()
  if (options.index) {
    // Index files change while they are copied; building them anew from the copied log is as exact as it is simple.
    const { indexSlots, indexItems } = options
    const request = { directory, segmentBytes, indexSlots, indexItems, from: firstPosition, until }
    await runJob({ type: 'index', request })
  }
  files.syncDirectory(commitLogDirectory(directory))
  await runJob({ type: 'saveQueues', directory, table })
  copyDeletedTopics(files, options.directory, directory, until)
  markClosed(world, directory, { until, table })
  return { directory, untilPhysicalOffset: until as PhysicalOffset, bytes }
}

/** From here on the copy is a store that was closed cleanly: it opens without looking at its records. */
function markClosed(
  { files, options }: SnapshotWorld,
  directory: string,
  { until, table }: Pick<QueueTableBytes, 'until' | 'table'>
): void {
  files.lock(lockPath(directory)).release() // Makes the file: opening the copy must add no name to its root.
  files.syncDirectory(directory)
  const { segmentBytes, queueFileEntries, indexSlots, indexItems, clock } = options
  const state = new StateFile(files, directory)
  state.save(
    {
      segmentBytes,
      queueFileEntries,
      indexSlots,
      indexItems,
      durableUntil: until,
      seenUntil: until,
      indexEndPhysicalOffset: parseQueueTable(table)?.index.end ?? 0,
      run: '',
      clean: true,
      ownerToken: ownerToken(files, directory),
      savedAtMs: clock.nowMs()
    },
    { durable: true }
  )
  state.close()
  files.syncDirectory(sidecarDirectory(directory))
}

async function copyQueue({ files, options, runJob }: SnapshotWorld, directory: string, row: QueueRow): Promise<number> {
  const { topic, queueId, maxOffset } = row
  const source = queueDirectory(options.directory, topic, queueId)
  const target = queueDirectory(directory, topic, queueId)
  files.makeDirectory(target)
  let bytes = 0
  for (const base of queueFileBases(files, source)) {
    const used = Math.min(options.queueFileEntries, maxOffset - base / ENTRY_BYTES) * ENTRY_BYTES
    if (used <= 0) continue
    const sizeBytes = options.queueFileEntries * ENTRY_BYTES
    await runJob({
      type: 'copy',
      from: join(source, segmentName(base)),
      to: join(target, segmentName(base)),
      bytes: used,
      sizeBytes
    })
    bytes += used
  }
  files.syncDirectory(target)
  files.syncDirectory(topicDirectory(directory, topic))
  return bytes
}
