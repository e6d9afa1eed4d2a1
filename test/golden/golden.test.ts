import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  bodyIsIntact,
  CHECKPOINT,
  CHECKPOINT_FILE_BYTES,
  CONSUME_QUEUE_ENTRY,
  closeRecord,
  DELAY_LEVELS_DEFAULT,
  decodeMessageId,
  decodeRecord,
  encodeMessageId,
  encodeText,
  FILLER_SIZE_BYTES,
  findIndexedProperties,
  hostToBytes,
  INDEX_HEADER,
  INDEX_ITEM,
  IndexedProperties,
  indexFileBytes,
  indexHashSeed,
  indexItemAt,
  indexKeyHash,
  indexKeyHashOfText,
  indexSlotAt,
  indexSlotOf,
  indexTagHashSeed,
  parseDelayLevels,
  parseSegmentName,
  RecordDraft,
  RecordPositions,
  SCHEDULE_TOPIC,
  SYS_FLAG,
  scheduleDueAt,
  setInt53,
  splitKeys,
  tagsCodeOf,
  verifyRecordChecksum,
  writeBlank,
  writeRecordChecksum,
  writeRecordHead
} from '../../src/layout/index.ts'
import { type GoldenRecord, recordsOf, topicOf } from './golden-records.ts'
import { filesIn, type GoldenCase, goldenStore, type ListedMessage, viewOf } from './golden-store.ts'

describe.each<GoldenCase>(['plain', 'checksum'])('the store %s, which Apache RocketMQ wrote', name => {
  const golden = goldenStore(name)
  const { listing } = golden
  const segments = filesIn(golden, 'commitlog')
  const records = [...segments].flatMap(([file, bytes]) => recordsOf(bytes, Number(file)))

  test('has no file that these tests pass over', () => {
    const folders = new Set([...golden.files.keys()].map(path => path.split('/')[0]))
    const withoutLayout = ['abort.bak', 'compaction', 'lock']
    const timer = name === 'plain' ? ['config', 'timerlog', 'timerwheel'] : []
    expect([...folders].sort()).toEqual(
      ['checkpoint', 'commitlog', 'consumequeue', 'index', ...timer, ...withoutLayout].sort()
    )
  })

  test('has segments that hold the listed records and blanks, and nothing else', () => {
    let next = 0
    for (const [file, bytes] of segments) {
      expect(parseSegmentName(file)).toBe(next)
      expect(bytes.length).toBe(listing.segmentBytes)
      next += bytes.length
    }
    expect(records.map(({ physicalOffset }) => physicalOffset)).toEqual(
      listing.messages.map(({ physicalOffset }) => physicalOffset)
    )
    expect(segments.size).toBeGreaterThan(2)
  })

  test('has records that decode to what Apache reads from them', () => {
    for (const [index, { bytes, positions }] of records.entries()) {
      const listed = listing.messages[index]!
      const decoded = decodeRecord(bytes, viewOf(bytes), positions)
      const { messageId, tags, keys, bodySha256, bodyBytes, bornHost, storeHost, ...rest } = listed

      expect(decoded).toMatchObject(rest)
      expect(decoded.properties).toEqual(listed.properties)
      expect(decoded.tag).toBe(tags)
      expect(decoded.keys).toEqual(splitKeys(keys ?? ''))
      expect(decoded.body.length).toBe(bodyBytes)
      expect(createHash('sha256').update(decoded.body).digest('hex')).toBe(bodySha256)
      expect(hexOf(hostToBytes(decoded.bornHost))).toBe(hexOfHost(bornHost))
      expect(hexOf(hostToBytes(decoded.storeHost))).toBe(hexOfHost(storeHost))
      expect(encodeMessageId(hostToBytes(decoded.storeHost), listed.physicalOffset)).toBe(messageId)
      expect(decodeMessageId(messageId)).toEqual({ host: decoded.storeHost, physicalOffset: listed.physicalOffset })
    }
  })

  test('has records with the checksums that we compute', () => {
    for (const { bytes, positions } of records) {
      expect(bodyIsIntact(bytes, viewOf(bytes), positions)).toBe(true)
      expect(verifyRecordChecksum(bytes, positions)).toBe(listing.recordChecksum ? 'right' : 'absent')
    }
  })

  test('has segments that come out the same when we write them', () => {
    for (const [file, bytes] of segments) {
      const written = new Uint8Array(bytes.length)
      let until = 0
      for (const record of recordsOf(bytes, Number(file))) {
        rewrite(record, written)
        until = record.positions.at + record.positions.totalBytes
      }
      if (file !== [...segments.keys()].at(-1)) writeBlank(viewOf(written), until, written.length)
      expect(hexOf(written)).toBe(hexOf(bytes))
    }
  })

  test('has consume queues that come out the same when we write them', () => {
    const files = filesIn(golden, 'consumequeue')
    const written = new Map([...files].map(([path, bytes]) => [path, new Uint8Array(bytes.length)]))
    const { sizeBytes } = CONSUME_QUEUE_ENTRY
    const byPlace = new Map(records.map(record => [record.physicalOffset, record]))
    for (const queue of listing.queues) {
      const firstFile = Math.floor((queue.firstOffset * sizeBytes) / listing.queueFileBytes) * listing.queueFileBytes
      for (let offset = firstFile / sizeBytes; offset < queue.maxOffset; offset++) {
        const physicalOffset = queue.physicalOffsets[offset - queue.firstOffset]
        const base = Math.floor((offset * sizeBytes) / listing.queueFileBytes) * listing.queueFileBytes
        const file = written.get(`${queue.topic}/${queue.queueId}/${String(base).padStart(20, '0')}`)
        expect(file, `file ${base} of ${queue.topic}`).toBeDefined()
        const record = physicalOffset === undefined ? undefined : byPlace.get(physicalOffset)
        CONSUME_QUEUE_ENTRY.write(
          viewOf(file!),
          offset * sizeBytes - base,
          record === undefined ? filler : entryFor(record)
        )
      }
    }
    for (const [path, bytes] of files) {
      expect(bytes.length).toBe(listing.queueFileBytes)
      expect(hexOf(written.get(path)!), path).toBe(hexOf(bytes))
    }
  })

  test('has index files that come out the same when we write them', () => {
    const files = [...filesIn(golden, 'index').values()]
    const written = indexFilesFor(records, listing.indexSlots, listing.indexItems)
    expect(files.length).toBeGreaterThan(1)
    expect(written.length).toBe(files.length)
    for (const [number, bytes] of files.entries()) expect(hexOf(written[number]!)).toBe(hexOf(bytes))
  })

  test.each(listing.keys.map(query => [query.key, query] as const))(
    'finds by the key %s what Apache finds',
    (_, query) => {
      const found: number[] = []
      for (const bytes of filesIn(golden, 'index').values()) {
        const hash = indexKeyHashOfText(query.topic, query.key)
        const view = viewOf(bytes)
        let item = view.getInt32(indexSlotAt(indexSlotOf(hash, listing.indexSlots)))
        while (item !== 0) {
          const { keyHash, physicalOffset, previousItem } = INDEX_ITEM.read(view, indexItemAt(item, listing.indexSlots))
          if (keyHash === hash) found.push(physicalOffset)
          item = previousItem
        }
      }
      const ascending = (a: number, b: number) => a - b
      expect(found.sort(ascending)).toEqual([...query.physicalOffsets].sort(ascending))
    }
  )

  test('has a checkpoint of six numbers', () => {
    const bytes = golden.files.get('checkpoint')!
    const inQueues = listing.messages.filter(isInQueue)
    expect(bytes.length).toBe(CHECKPOINT_FILE_BYTES)
    const { logStoredAtMs, queuesStoredAtMs, indexStoredAtMs, ...rest } = CHECKPOINT.read(viewOf(bytes), 0)
    expect(listing.messages.map(({ storedAtMs }) => storedAtMs)).toContain(logStoredAtMs)
    expect(queuesStoredAtMs).toBe(inQueues.at(-1)!.storedAtMs)
    const firstIndex = [...filesIn(golden, 'index').values()][0]!
    expect(indexStoredAtMs).toBe(INDEX_HEADER.read(viewOf(firstIndex), 0).endAtMs)
    expect(rest).toEqual({
      masterFlushedOffset: 0,
      confirmPhysicalOffset: 0,
      queuesPhysicalOffset: inQueues.at(-1)!.physicalOffset
    })
    expect(bytes.subarray(CHECKPOINT.sizeBytes).every(byte => byte === 0)).toBe(true)
  })
})

/** Takes a record apart and writes it at its place in `into`, by the same calls as the store. */
function rewrite({ bytes, positions }: GoldenRecord, into: Uint8Array): void {
  const message = decodeRecord(bytes, viewOf(bytes), positions)
  const { at, totalBytes, propertiesAt, propertiesBytes } = positions
  const draft = new RecordDraft()
  draft.totalBytes = totalBytes
  draft.magic = positions.magic
  draft.queueId = message.queueId
  draft.flag = message.flag
  draft.queueOffset = message.queueOffset
  draft.physicalOffset = message.physicalOffset
  draft.sysFlag = message.sysFlag
  draft.bornAtMs = message.bornAtMs
  draft.bornHostBytes = hostToBytes(message.bornHost)
  draft.storedAtMs = message.storedAtMs
  draft.storeHostBytes = hostToBytes(message.storeHost)
  draft.reconsumeTimes = message.reconsumeTimes
  draft.preparedTransactionOffset = message.preparedTransactionOffset
  draft.bodyBytes = message.body.length
  draft.topicBytes = encodeText(message.topic)
  draft.propertiesBytes = propertiesBytes

  const view = viewOf(into)
  const places = new RecordPositions()
  writeRecordHead(into, view, at, draft, places)
  into.set(message.body, places.bodyAt)
  into.set(bytes.subarray(propertiesAt, propertiesAt + propertiesBytes), places.propertiesAt)
  closeRecord(view, at, totalBytes, message.bodyChecksum)
  if (verifyRecordChecksum(bytes, positions) !== 'absent') {
    into.fill(0, at + totalBytes - 20, at + totalBytes)
    writeRecordChecksum(into, at, totalBytes)
  }
  expect(places).toEqual(positions)
}

/** What stands before the first message of a queue that does not start at 0. */
const filler = { physicalOffset: 0, sizeBytes: FILLER_SIZE_BYTES, tagsCode: 0 }

/** As the dispatcher makes it. */
function entryFor(record: GoldenRecord) {
  const { bytes, physicalOffset, positions } = record
  const { propertiesAt, propertiesBytes } = positions
  const due = topicOf(record) === SCHEDULE_TOPIC ? scheduleDueAt(bytes, positions, levelDelaysMs) : undefined
  const tagsCode = due ?? tagsCodeOf(bytes, propertiesAt, propertiesAt + propertiesBytes)
  return { physicalOffset, sizeBytes: positions.totalBytes, tagsCode }
}
const levelDelaysMs = parseDelayLevels(DELAY_LEVELS_DEFAULT)

/** Index files by the rules of the format: rotation, clamping, chains. */
function indexFilesFor(records: readonly GoldenRecord[], slotCount: number, itemCount: number): Uint8Array[] {
  const files: Uint8Array[] = []
  const found = new IndexedProperties()
  const header = {
    beginAtMs: 0,
    endAtMs: 0,
    beginPhysicalOffset: 0,
    endPhysicalOffset: 0,
    usedSlotCount: 0,
    nextItem: 1
  }
  const put = (keyHash: number, { physicalOffset, positions: { storedAtMs } }: GoldenRecord) => {
    if (files.length === 0 || header.nextItem >= itemCount) {
      files.push(new Uint8Array(indexFileBytes(slotCount, itemCount)))
      header.beginAtMs = header.endAtMs
      header.beginPhysicalOffset = header.endPhysicalOffset
      header.usedSlotCount = 0
      header.nextItem = 1
    }
    const view = viewOf(files.at(-1)!)
    const slotAt = indexSlotAt(indexSlotOf(keyHash, slotCount))
    const previousItem = view.getInt32(slotAt)
    const afterBeginSeconds = header.beginAtMs === 0 ? 0 : Math.floor((storedAtMs - header.beginAtMs) / 1000)
    const item = { keyHash, physicalOffset, afterBeginSeconds, previousItem }
    INDEX_ITEM.write(view, indexItemAt(header.nextItem, slotCount), item)
    view.setInt32(slotAt, header.nextItem)
    if (header.nextItem === 1) {
      header.beginAtMs = storedAtMs
      header.beginPhysicalOffset = physicalOffset
    }
    if (previousItem === 0) header.usedSlotCount++
    header.nextItem++
    header.endAtMs = storedAtMs
    header.endPhysicalOffset = physicalOffset
    INDEX_HEADER.write(view, 0, header)
  }

  for (const record of records) {
    const { bytes, positions } = record
    if ((positions.sysFlag & SYS_FLAG.TRANSACTION_MASK) === SYS_FLAG.TRANSACTION_ROLLBACK) continue
    findIndexedProperties(bytes, positions.propertiesAt, positions.propertiesAt + positions.propertiesBytes, found)
    const { keys, tags, uniqueKey } = found
    const seed = indexHashSeed(topicOf(record))
    if (!uniqueKey.empty) put(indexKeyHash(seed, bytes, uniqueKey.from, uniqueKey.until), record)
    for (const key of splitKeys(new TextDecoder().decode(bytes.subarray(keys.from, keys.until)))) {
      put(indexKeyHashOfText(topicOf(record), key), record)
    }
    if (!tags.empty) put(indexKeyHash(indexTagHashSeed(topicOf(record)), bytes, tags.from, tags.until), record)
  }
  return files
}

function isInQueue({ sysFlag }: ListedMessage): boolean {
  const type = sysFlag & SYS_FLAG.TRANSACTION_MASK
  return type === SYS_FLAG.TRANSACTION_NONE || type === SYS_FLAG.TRANSACTION_COMMIT
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

function hexOfHost({ addressHex, port }: ListedMessage['bornHost']): string {
  const bytes = new Uint8Array(8)
  setInt53(viewOf(bytes), 0, port)
  return addressHex + hexOf(bytes.subarray(4))
}
