/**
 * What a directory must hold after a history of appends, worked out from the plan and the format alone, and the
 * comparison of that with what a store lists. Two stores that agree with each other but not with this are both wrong.
 *
 * Only the store times are taken from the listings, because nobody can know them beforehand.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

const RECORD_BYTES_FIXED = 72
/** Written at the end of a segment behind its last record: no record may come closer to the end. */
const BLANK_BYTES_MIN = 8
const TOPIC_UNITS_MAX_V1 = 127
const BORN_HOST_V6 = 0x10
const STORE_HOST_V6 = 0x20
const TRANSACTION_MASK = 0xc
const PREPARED = 0x4
const ROLLBACK = 0xc
/** A query by key finds so many items, newest first. Recovery may index a record twice, and both items count. */
const HITS_MAX = 64
const REPEATED_HITS_MAX = 4
/** `__CRC32#`, a separator, ten digits and another separator. */
const RECORD_CHECKSUM_BYTES = 20
const RECORD_CHECKSUM_NAME = '__CRC32#'
const SECOND_MS = 1000
const UNITS_MS = { s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS }
const DELAYS_MS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'
  .split(' ')
  .map(text => Number(text.slice(0, -1)) * UNITS_MS[text.at(-1)])

/** A log in the making: records in order, each with the place that the format gives it. */
export class Model {
  #segmentBytes
  #recordChecksum
  #until = 0
  #queueOffsets = new Map()
  /** @type {Record<string, any>[]} */
  records = []

  constructor({ segmentBytes, recordChecksum = false }) {
    this.#segmentBytes = segmentBytes
    this.#recordChecksum = recordChecksum
  }

  /**
   * Puts the messages of one step in their places, and says where the first went.
   * @param {object} step
   * @param {number} [at] one of `placesOf(step)`; by default the first
   */
  append(step, at = this.placesOf(step)[0]) {
    this.#until = at
    const first = this.records.length
    for (const message of step.messages) this.#place(message)
    const { physicalOffset, queueOffset } = this.records[first]
    return { physicalOffset, queueOffset, sizeBytes: this.#until - physicalOffset }
  }

  /**
   * Where the first message of a step may go: all of them lie in one segment. The format leaves a writer free to close a
   * segment early; Varve does where a record would not fit if all of its text took three bytes a character.
   */
  placesOf({ messages }) {
    const stepBytes = messages.reduce((sum, message) => sum + this.#recordBytes(message), 0)
    const stepBytesMax = messages.reduce((sum, message) => sum + this.#recordBytes(message) + slackBytes(message), 0)
    const rest = this.#segmentBytes - (this.#until % this.#segmentBytes)
    const here = stepBytes + BLANK_BYTES_MIN <= rest ? [this.#until] : []
    return stepBytesMax + BLANK_BYTES_MIN <= rest ? here : [...here, this.#until + rest]
  }

  /** A process killed between closing a segment and using the next leaves its log ending at the start of that next one. */
  continueFrom(until) {
    const isNextSegment =
      until > this.#until && until % this.#segmentBytes === 0 && until - this.#until < this.#segmentBytes
    if (until !== this.#until && !isNextSegment)
      throw new Error(`the log ends at ${until}, its last record at ${this.#until}`)
    this.#until = until
  }

  #place(message) {
    const sizeBytes = this.#recordBytes(message)
    const { topic, queueId, flag, sysFlag, properties, bornAtMs, bornHost, storeHost, reconsumeTimes } = message
    const body = Buffer.from(message.body, 'base64')
    const queue = `${topic}/${queueId}`
    const next = this.#queueOffsets.get(queue) ?? 0
    const counted = inQueue(message)
    if (counted) this.#queueOffsets.set(queue, next + 1)
    this.records.push({
      physicalOffset: this.#until,
      sizeBytes,
      topic,
      queueId,
      queueOffset: counted ? next : 0,
      flag,
      sysFlag: sysFlag | (isV6(bornHost) ? BORN_HOST_V6 : 0) | (isV6(storeHost) ? STORE_HOST_V6 : 0),
      bodyChecksum: crc32(body) & 0x7fffffff,
      bodyBytes: body.length,
      bodyHash: createHash('sha256').update(body).digest('hex'),
      tag: properties.TAGS,
      keys: keysOf(properties),
      properties,
      bornAtMs,
      bornHost,
      storeHost,
      reconsumeTimes,
      preparedTransactionOffset: message.preparedTransactionOffset
    })
    this.#until += sizeBytes
  }

  #recordBytes({ topic, body, properties, bornHost, storeHost }) {
    const topicBytes = Buffer.byteLength(topic)
    // Name, separator, value, separator; in a batch as well as alone.
    const propertiesBytes = Object.entries(properties).reduce(
      (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 2,
      this.#recordChecksum ? RECORD_CHECKSUM_BYTES : 0
    )
    return (
      RECORD_BYTES_FIXED +
      (isV6(bornHost) ? 20 : 8) +
      (isV6(storeHost) ? 20 : 8) +
      Buffer.from(body, 'base64').length +
      (topic.length > TOPIC_UNITS_MAX_V1 ? 2 : 1) +
      topicBytes +
      2 +
      propertiesBytes
    )
  }

  /** The listing that a store with these records must give, as text. `storedAtMs` by physical offset. */
  listing(storedAtMs) {
    const records = this.records.map(record => ({ ...record, storedAtMs: storedAtMs.get(record.physicalOffset) }))
    const lines = records.map(record => ({ kind: 'record', ...record }))
    for (const [queue, queued] of groupBy(records.filter(inQueue), ({ topic, queueId }) => `${topic}/${queueId}`)) {
      const { topic, queueId } = queued[0]
      lines.push({ kind: 'queue', topic, queueId, min: 0, max: this.#queueOffsets.get(queue) })
      for (const record of queued) {
        const { queueOffset, physicalOffset, sizeBytes } = record
        lines.push({
          kind: 'entry',
          topic,
          queueId,
          queueOffset,
          physicalOffset,
          sizeBytes,
          tagsCode: tagsCodeOf(record)
        })
      }
    }
    for (const [topic, ofTopic] of groupBy(records, ({ topic }) => topic)) {
      const hits = new Map()
      for (const { keys, properties, physicalOffset, sysFlag } of ofTopic) {
        const searchable = new Set(properties.UNIQ_KEY === undefined ? keys : [...keys, properties.UNIQ_KEY])
        for (const key of searchable) {
          if (!hits.has(key)) hits.set(key, [])
          if ((sysFlag & TRANSACTION_MASK) !== ROLLBACK) hits.get(key).push(physicalOffset)
        }
      }
      for (const [key, physicalOffsets] of hits) {
        lines.push({ kind: 'key', topic, key, physicalOffsets })
      }
    }
    return {
      lines: lines.map(canonical),
      queues: groupBy(records.filter(inQueue), ({ topic, queueId }) => `${topic}/${queueId}`)
    }
  }
}

/**
 * Everything in which a listing differs from the model, as sentences; none if it is what it must be.
 *
 * @param {Model} model
 * @param {readonly any[]} listed
 */
export function differences(model, listed) {
  const storedAtMs = new Map(
    listed.filter(({ kind }) => kind === 'record').map(record => [record.physicalOffset, record.storedAtMs])
  )
  const { lines, queues } = model.listing(storedAtMs)
  const wrong = []

  const withoutTags = !listed.some(({ kind, tagsCode }) => kind === 'entry' && tagsCode !== undefined)
  const compared = line => (withoutTags && line.kind === 'entry' ? { ...line, tagsCode: undefined } : line)
  // A queue may be known without holding anything: one whose only messages are prepared or rolled back.
  const shown = listed.filter(
    ({ kind, max }) => ['record', 'entry', 'key'].includes(kind) || (kind === 'queue' && max > 0)
  )
  const wanted = new Map(lines.map(line => [subjectOf(line), compared(line)]))
  const found = new Map(shown.map(line => [subjectOf(line), canonical(line)]))
  if (found.size !== shown.length) wrong.push(`${shown.length - found.size} lines are listed twice`)
  for (const [subject, line] of wanted) {
    const other = found.get(subject)
    wrong.push(...differingFields(subject, line.kind === 'key' ? withinHits(line, other) : line, other))
  }
  for (const subject of found.keys()) if (!wanted.has(subject)) wrong.push(`${subject} should not be there`)

  const times = listed.filter(({ kind }) => kind === 'time')
  if (times.length === 0 && model.records.length > 0) wrong.push('no offset was looked up by time')
  for (const line of times) {
    const stored = queues.get(`${line.topic}/${line.queueId}`)?.map(({ storedAtMs }) => storedAtMs) ?? []
    const lower = stored.findIndex(time => time >= line.timeMs)
    const upper = stored.findLastIndex(time => time <= line.timeMs)
    const expected = { ...line, lower: lower === -1 ? stored.length : lower, upper: Math.max(0, upper) }
    if (JSON.stringify(line) !== JSON.stringify(expected)) {
      wrong.push(`${JSON.stringify(line)} instead of lower ${expected.lower}, upper ${expected.upper}`)
    }
  }

  const inLogOrder = [...storedAtMs.entries()].sort(([a], [b]) => a - b).map(([, time]) => time)
  if (inLogOrder.some((time, index) => index > 0 && time < inLogOrder[index - 1])) wrong.push('store times go back')
  return wrong
}

/** What a writer may set aside beyond the record: for IPv6 addresses, the long topic, a checksum, and text of three bytes a character. */
function slackBytes({ properties }) {
  const units = Object.entries(properties).reduce((sum, [name, value]) => sum + name.length + value.length + 2, 16)
  return 2 * 12 + 1 + RECORD_CHECKSUM_BYTES + 3 * units
}

/** What a line is about; the rest of it is what it says. */
function subjectOf({ kind, topic, queueId, queueOffset, physicalOffset, key }) {
  const subjects = {
    record: () => `record at ${physicalOffset}`,
    queue: () => `queue ${topic}/${queueId}`,
    entry: () => `entry ${queueOffset} of ${topic}/${queueId}`,
    key: () => `key ${key} of ${topic}`
  }
  return subjects[kind]()
}

/** With more hits than a query answers, those found must be the newest, give or take items that stand twice. */
function withinHits(wanted, found) {
  const { physicalOffsets } = wanted
  if (physicalOffsets.length < HITS_MAX) return wanted
  const count = Math.min(HITS_MAX, Math.max(HITS_MAX - REPEATED_HITS_MAX, found?.physicalOffsets.length ?? 0))
  return { ...wanted, physicalOffsets: physicalOffsets.slice(-count) }
}

function differingFields(subject, wanted, found) {
  if (found === undefined) return [`${subject} is missing`]
  return [...new Set([...Object.keys(wanted), ...Object.keys(found)])].flatMap(name => {
    const [is, shouldBe] = [found[name], wanted[name]].map(value => JSON.stringify(value))
    return is === shouldBe ? [] : [`${subject}: ${name} is ${is}, should be ${shouldBe}`]
  })
}

/** One order of fields and one way of writing an address, whoever printed the line. */
function canonical(line) {
  const copy = { ...line }
  for (const host of ['bornHost', 'storeHost']) {
    if (copy[host] !== undefined) copy[host] = `[${canonicalAddress(copy[host].address)}]:${copy[host].port}`
  }
  if (copy.properties !== undefined) {
    // The checksum of the record is in the record only for itself; some readers show it, some do not.
    const { [RECORD_CHECKSUM_NAME]: _, ...properties } = copy.properties
    copy.properties = sorted(properties)
  }
  return sorted(copy)
}

function canonicalAddress(address) {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}

function sorted(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function inQueue({ sysFlag }) {
  return (sysFlag & TRANSACTION_MASK) !== PREPARED && (sysFlag & TRANSACTION_MASK) !== ROLLBACK
}

function isV6({ address }) {
  return address.includes(':')
}

function keysOf({ KEYS: keys = '' }) {
  return keys.split(' ').filter(key => key !== '')
}

function tagsCodeOf({ topic, properties, storedAtMs }) {
  if (topic === 'SCHEDULE_TOPIC_XXXX')
    return storedAtMs + DELAYS_MS[Math.min(Number(properties.DELAY), DELAYS_MS.length) - 1]
  let hash = 0
  for (const unit of (properties.TAGS ?? '').split('')) hash = (Math.imul(hash, 31) + unit.charCodeAt(0)) | 0
  return hash
}

function groupBy(items, keyOf) {
  const groups = new Map()
  for (const item of items) {
    const key = keyOf(item)
    if (!groups.has(key)) groups.set(key, [])
    groups.get(key).push(item)
  }
  return groups
}
