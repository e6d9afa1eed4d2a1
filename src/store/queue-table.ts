/**
 * The table of all queues (`varve/queues`): with it a store opens without looking into the files of its queues.
 *
 * It is replaced whole and only after everything that it speaks of is durable. A table that is missing or damaged costs
 * time, not messages: the queues are then found from their files.
 */
import { dirname, join } from 'node:path'
import { assert, VarveError } from '../base/index.ts'
import { encodeText, QUEUE_TABLE, QUEUE_TABLE_MAGIC, QUEUE_TABLE_ROW, QUEUE_TABLE_TOPIC } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import type { IndexCover } from './key-index.ts'
import { consumeQueueDirectory, indexDirectory, sidecarDirectory } from './paths.ts'
import { replaceFile } from './replace-file.ts'
import { decodeBlock, encodeBlock, isPosition, makeSidecarDirectory, PayloadReader, readFile } from './sidecar-files.ts'

export interface QueueRow {
  readonly topic: string
  readonly queueId: number
  /** Entry with which its oldest file begins. */
  readonly firstOffset: number
  readonly maxOffset: number
  /** End of the record of the last entry in the commit log. */
  readonly maxPhysicalEnd: number
}

export interface QueueTable {
  /** The queues held exactly the records below this. */
  readonly untilPhysicalOffset: number
  /** What the key index covered then. */
  readonly index: IndexCover
  readonly queues: readonly QueueRow[]
}

/** Undefined if it is missing or damaged. @throws STORE_FORMAT_NEWER */
export function readQueueTable(files: Files, directory: string): QueueTable | undefined {
  const bytes = readFile(files, queueTablePath(directory))
  return bytes === undefined ? undefined : parseQueueTable(bytes)
}

/**
 * Makes queues and index durable, then the table that speaks of them. `changed`: the files of queues that are not durable yet;
 * without it any may be such.
 *
 * All at once is quickest where there are many. But the system then writes what stands ready for the next messages as well, and
 * whoever appends waits for each page of it once more: it is not done where a few files will do.
 * @throws STORE_SYNC_FAILED
 */
export function saveQueueTable(
  files: Files,
  directory: string,
  encoded: Uint8Array,
  changed?: readonly string[]
): undefined {
  if (changed !== undefined) {
    syncThose(files, changed, consumeQueueDirectory(directory))
    syncTree(files, indexDirectory(directory))
    files.syncDirectory(directory)
  } else if (!files.syncFileSystem(directory)) {
    syncTree(files, consumeQueueDirectory(directory))
    syncTree(files, indexDirectory(directory))
    files.syncDirectory(directory)
  }
  makeSidecarDirectory(files, directory)
  replaceFile(files, queueTablePath(directory), encoded)
}

export function encodeQueueTable({ untilPhysicalOffset, index, queues }: QueueTable): Uint8Array {
  const topics = new Map<string, { bytes: Uint8Array; rows: QueueRow[] }>()
  let sizeBytes = QUEUE_TABLE.sizeBytes + queues.length * QUEUE_TABLE_ROW.sizeBytes
  for (const row of queues) {
    let topic = topics.get(row.topic)
    if (topic === undefined) {
      topic = { bytes: encodeText(row.topic), rows: [] }
      topics.set(row.topic, topic)
      sizeBytes += QUEUE_TABLE_TOPIC.sizeBytes + topic.bytes.length
    }
    topic.rows.push(row)
  }

  const payload = new Uint8Array(sizeBytes)
  const view = new DataView(payload.buffer)
  QUEUE_TABLE.write(view, 0, {
    untilPhysicalOffset,
    indexFileCount: index.fileCount,
    indexFirstBegin: index.firstBegin,
    indexFirstEnd: index.firstEnd,
    indexEndPhysicalOffset: index.end,
    topicCount: topics.size
  })
  let at = QUEUE_TABLE.sizeBytes
  for (const { bytes, rows } of topics.values()) {
    QUEUE_TABLE_TOPIC.write(view, at, { topicBytes: bytes.length, queueCount: rows.length })
    at += QUEUE_TABLE_TOPIC.sizeBytes
    payload.set(bytes, at)
    at += bytes.length
    for (const row of rows) {
      QUEUE_TABLE_ROW.write(view, at, row)
      at += QUEUE_TABLE_ROW.sizeBytes
    }
  }
  assert(at === sizeBytes, 'the table is as long as its parts')
  return encodeBlock(QUEUE_TABLE_MAGIC, payload)
}

/** Undefined if it is damaged. @throws STORE_FORMAT_NEWER */
export function parseQueueTable(bytes: Uint8Array): QueueTable | undefined {
  const payload = decodeBlock(QUEUE_TABLE_MAGIC, bytes)
  if (payload === undefined) return undefined
  const reader = new PayloadReader(payload)
  if (reader.take(QUEUE_TABLE.sizeBytes) === undefined) return undefined
  const { untilPhysicalOffset, topicCount, ...head } = QUEUE_TABLE.read(reader.view, 0)
  const index: IndexCover = {
    fileCount: head.indexFileCount,
    firstBegin: head.indexFirstBegin,
    firstEnd: head.indexFirstEnd,
    end: head.indexEndPhysicalOffset
  }
  if (![untilPhysicalOffset, ...Object.values(index)].every(isPosition)) return undefined
  const queues: QueueRow[] = []
  for (let i = 0; i < topicCount; i++) if (!readTopic(reader, queues)) return undefined
  return { untilPhysicalOffset, index, queues }
}

function readTopic(reader: PayloadReader, into: QueueRow[]): boolean {
  const head = reader.take(QUEUE_TABLE_TOPIC.sizeBytes)
  if (head === undefined) return false
  const { topicBytes, queueCount } = QUEUE_TABLE_TOPIC.read(reader.view, head)
  const topic = reader.takeText(topicBytes)
  const rows = reader.take(queueCount * QUEUE_TABLE_ROW.sizeBytes)
  if (topic === undefined || rows === undefined) return false
  for (let i = 0; i < queueCount; i++) {
    const row = { topic, ...QUEUE_TABLE_ROW.read(reader.view, rows + i * QUEUE_TABLE_ROW.sizeBytes) }
    const { queueId, firstOffset, maxOffset, maxPhysicalEnd } = row
    if (queueId < 0 || ![firstOffset, maxOffset, maxPhysicalEnd].every(isPosition) || firstOffset > maxOffset)
      return false
    into.push(row)
  }
  return true
}

function syncTree(files: Files, directory: string): void {
  const names = files.list(directory)
  for (const name of names) {
    const path = join(directory, name)
    if (files.find(path)?.isDirectory) {
      syncTree(files, path)
      continue
    }
    const file = files.open(path, 'write')
    try {
      file.syncAll()
    } finally {
      file.close()
    }
  }
  if (names.length > 0) files.syncDirectory(directory)
}

/** And their names, in each directory up to `root`. A file may be gone meanwhile, with its topic. */
function syncThose(files: Files, paths: readonly string[], root: string): void {
  // Begun with all of them first: the system can then write what it knows of them in one go.
  for (const path of paths) ifThere(files, path, file => file.startWriting(0, file.sizeBytes()))
  for (const path of paths) ifThere(files, path, file => file.syncAll())
  const directories = new Set<string>()
  for (const path of paths) {
    for (let parent = dirname(path); parent.startsWith(root); parent = dirname(parent)) directories.add(parent)
  }
  for (const parent of directories) if (files.find(parent) !== undefined) files.syncDirectory(parent)
}

function ifThere(files: Files, path: string, use: (file: OpenFile) => void): void {
  let file: OpenFile
  try {
    file = files.open(path, 'write')
  } catch (error) {
    if (error instanceof VarveError && error.details.errno === 'ENOENT') return
    throw error
  }
  try {
    use(file)
  } finally {
    file.close()
  }
}

const queueTablePath = (directory: string): string => join(sidecarDirectory(directory), 'queues')
