/**
 * Varve's store behind the same verbs and flags as Apache's (java/), printing the same lines, so that comparing the two
 * is comparing text. A program of its own, because a store that is to die by kill -9 needs a process that may.
 *
 * `node varve-store.mjs write | list --dir D …`
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openStore, VarveError } from '../../dist/src/index.js'

/** Apache's limit for one query by key. */
const HITS_MAX = 64
/** So many messages of a queue are read at a time. */
const READ_COUNT = 32

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string' },
    plan: { type: 'string' },
    end: { type: 'string', default: 'clean' },
    flush: { type: 'string', default: 'async' },
    mapper: { type: 'string' },
    threads: { type: 'string' },
    'segment-bytes': { type: 'string' },
    'queue-file-bytes': { type: 'string' },
    'index-slots': { type: 'string' },
    'index-items': { type: 'string' },
    'record-checksum': { type: 'boolean' }
  }
})

const verbs = { write, list }
const verb = verbs[positionals[0] ?? '']
if (verb === undefined) throw new Error(`a verb is needed: ${Object.keys(verbs).join(' or ')}`)
const store = await openStore(options())
await verb()
await end()

function options() {
  const given = {
    directory: flags.dir,
    flush: flags.flush,
    mapper: flags.mapper,
    threads: flags.threads,
    segmentBytes: numberOf('segment-bytes'),
    queueFileEntries: flags['queue-file-bytes'] === undefined ? undefined : Number(flags['queue-file-bytes']) / 20,
    indexSlots: numberOf('index-slots'),
    indexItems: numberOf('index-items'),
    recordChecksum: flags['record-checksum']
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function numberOf(name) {
  return flags[name] === undefined ? undefined : Number(flags[name])
}

async function write() {
  const steps = readFileSync(flags.plan, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  for (const [step, { batch, messages }] of steps.entries()) {
    const inputs = messages.map(inputOf)
    const { physicalOffset, queueOffset, sizeBytes } = batch ? store.appendBatch(inputs) : store.append(inputs[0])
    if (flags.flush === 'sync') await store.flushed(physicalOffset + sizeBytes)
    print('put', { step, physicalOffset, queueOffset, sizeBytes })
  }
}

function inputOf({ body, properties, ...head }) {
  const { TAGS: tag, KEYS: keys, ...others } = properties
  return {
    ...head,
    body: Buffer.from(body, 'base64'),
    properties: others,
    ...(tag === undefined ? {} : { tag }),
    ...(keys === undefined ? {} : { keys })
  }
}

async function end() {
  if (flags.end === 'halt-dispatched') {
    while (store.info().dispatchedUntil < store.info().appendedUntil) await sleep(1)
  }
  if (flags.end !== 'clean') process.kill(process.pid, 'SIGKILL')
  await store.close()
}

async function list() {
  const keysOfTopic = await listLog()
  for (const topic of [...store.topics()].sort()) {
    for (const queueId of [...store.queues(topic)].sort((a, b) => a - b)) await listQueue({ topic, queueId })
  }
  for (const [topic, keys] of keysOfTopic) {
    for (const key of keys) {
      const found = await store.messagesByKey({ topic, key, countMax: HITS_MAX })
      const physicalOffsets = found.map(message => message.physicalOffset).sort((a, b) => a - b)
      print('key', { topic, key, physicalOffsets })
    }
  }
}

/** @returns {Promise<Map<string, Set<string>>>} what can be searched, by topic */
async function listLog() {
  const keysOfTopic = new Map()
  const { minPhysicalOffset: from, appendedUntil: until } = store.info()
  print('log', { from, until })
  const segmentBytes = numberOf('segment-bytes') ?? 2 ** 30
  for (let at = from; at < until; ) {
    const message = await findMessage(at)
    if (message === undefined) {
      at = (Math.floor(at / segmentBytes) + 1) * segmentBytes // The blank at the end of a segment.
      continue
    }
    const { body, tag, keys, properties, ...fields } = message // These are worked out when asked for.
    print('record', {
      ...fields,
      tag,
      keys,
      properties,
      bodyBytes: body.length,
      bodyHash: createHash('sha256').update(body).digest('hex')
    })
    if (!keysOfTopic.has(message.topic)) keysOfTopic.set(message.topic, new Set())
    for (const key of searchable(message)) keysOfTopic.get(message.topic).add(key)
    at += message.sizeBytes
  }
  return keysOfTopic
}

async function findMessage(at) {
  try {
    return await store.messageAt(at)
  } catch (error) {
    if (error instanceof VarveError && error.code === 'RECORD_NOT_FOUND') return undefined
    throw error
  }
}

function searchable({ keys, properties }) {
  return properties.UNIQ_KEY === undefined ? keys : [...keys, properties.UNIQ_KEY]
}

async function listQueue(queue) {
  const min = store.minOffset(queue)
  const max = store.maxOffset(queue)
  print('queue', { ...queue, min, max })
  const storedAtMs = []
  for (let offset = min; offset < max; ) {
    const { messages, nextOffset, damaged } = await store.read({ ...queue, offset, countMax: READ_COUNT })
    if (damaged.length > 0) throw damaged[0]
    for (const { queueOffset, physicalOffset, sizeBytes, storedAtMs: at } of messages) {
      print('entry', { ...queue, queueOffset, physicalOffset, sizeBytes })
      storedAtMs.push(at)
    }
    if (nextOffset <= offset) throw new Error(`reading ${queue.topic}/${queue.queueId} does not go on at ${offset}`)
    offset = nextOffset
  }
  for (const timeMs of timesAround(storedAtMs)) {
    const lower = await store.offsetAt({ ...queue, timeMs, boundary: 'lower' })
    const upper = await store.offsetAt({ ...queue, timeMs, boundary: 'upper' })
    print('time', { ...queue, timeMs, lower, upper })
  }
}

/** Around the times of five messages, spread over the queue: those that Listing.java asks for. */
function timesAround(storedAtMs) {
  if (storedAtMs.length === 0) return []
  const picked = [0, 1, 2, 3, 4].map(part => storedAtMs[Math.floor(((storedAtMs.length - 1) * part) / 4)])
  return [...new Set(picked.flatMap(time => [time - 1, time, time + 1]))].sort((a, b) => a - b)
}

/** Written at once: what stands in a buffer of Node would die with the process. */
function print(kind, fields) {
  const line = Buffer.from(`${JSON.stringify({ kind, ...fields })}\n`)
  for (let at = 0; at < line.length; ) at += writeSome(line.subarray(at))
}

function writeSome(bytes) {
  try {
    return writeSync(1, bytes)
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1) // The reader is behind; give it a millisecond.
    return 0
  }
}
