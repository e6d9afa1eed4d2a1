/**
 * Pending delays handed over: one broker takes messages with levels and timers and is stopped or killed, the other opens its
 * store and delivers them; from Varve to Apache RocketMQ and back, and from Varve to Varve.
 *
 * What arrives is compared message by message with what was sent: body, tags, keys, properties, queue, order, and that none
 * was early. After a clean stop each comes once; after a kill, at least once.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { decodeRecord, locate, RecordPositions } from '../../../dist/src/layout/index.js'
import { buildApacheServers, startApacheBroker, startApacheNameServer } from '../apache-servers.mjs'
import { startVarve } from '../varve-server.mjs'
import { ask } from '../wire.mjs'

const TOPIC = 'handover'
const QUEUES = 2
const SEND = 310
const PULL = 11
const MAX_OFFSET = 30
const CREATE_TOPIC = 17
/** Long enough for the one broker to stop and the other to start. */
const FIRST_DUE_MS = 25_000
const SPREAD_MS = 5000
/** A slow machine starts a JVM late: what was due meanwhile comes then. */
const ARRIVE_MS_MAX = 90_000
const COUNT = 60

/** The short one stands for all where time is short. */
const HANDOVERS = [
  { from: 'varve', to: 'apache', end: 'stop' },
  { from: 'apache', to: 'varve', end: 'stop' },
  { from: 'varve', to: 'apache', end: 'kill' },
  { from: 'apache', to: 'varve', end: 'kill' },
  { from: 'varve', to: 'varve', end: 'kill', short: true }
]

export const delayHandover = HANDOVERS.map(({ from, to, end, short = false }) => ({
  name: `pending delays: ${from} takes them, ${to} delivers them after a ${end}`,
  ...(short ? { short: 'all' } : {}),
  targets: ['varve'],
  build: buildApacheServers,
  run: world => handOver({ from, to, end, home: world.home('store'), names: world.home('names') })
}))

async function handOver({ from, to, end, home, names }) {
  const nameServer = await startApacheNameServer({ home: names })
  let broker
  try {
    broker = await start(from, home, nameServer.address)
    const sent = await sendAll(broker.address)
    await pause(1500) // Apache's broker takes messages into its wheel within a second.
    await broker[end]()
    broker = await start(to, home, nameServer.address)
    const expected = new Map(sent.map(message => [message.key, message]))
    const arrived = await untilArrived(broker.address, expected.size)
    compare(expected, arrived, { to, end })
  } finally {
    await broker?.kill()
    await nameServer.kill()
  }
}

function start(kind, home, nameServer) {
  return kind === 'varve'
    ? startVarve({ home, name: 'broker-a', nameServer })
    : startApacheBroker({ home, nameServer, settings: { flushDiskType: 'ASYNC_FLUSH' } })
}

async function sendAll(address) {
  const topic = { topic: TOPIC, defaultTopic: 'TBW102', readQueueNums: QUEUES, writeQueueNums: QUEUES, perm: 6 }
  const made = await ask(address, CREATE_TOPIC, {
    ...topic,
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: 0,
    order: false
  })
  if (made.code !== 0) throw new Error(`the topic is refused: ${made.code} ${made.remark}`)
  const beganMs = Date.now()
  const sent = []
  for (let i = 0; i < COUNT; i++) {
    const queueId = i % QUEUES
    const key = `K${i}`
    // Level 4 is 30 s. Every third goes by a level, the others by a time; some times are equal.
    const isLevel = i % 3 === 0
    const dueMs = beganMs + FIRST_DUE_MS + Math.floor((i * SPREAD_MS) / COUNT / 500) * 500
    const properties = isLevel ? { DELAY: '4' } : { TIMER_DELIVER_MS: String(dueMs) }
    const all = { UNIQ_KEY: key, TAGS: `t${i % 4}`, KEYS: `k${i}`, own: `ü${i}`, ...properties }
    const body = Buffer.from(`body ${i} ${'.'.repeat(i)}`)
    const sentMs = Date.now()
    const fields = {
      a: 'p',
      b: TOPIC,
      c: 'TBW102',
      d: 4,
      e: queueId,
      f: 0,
      g: sentMs,
      h: 0,
      i: textOf(all),
      j: 0,
      k: false,
      m: false
    }
    const answer = await ask(address, SEND, fields, body)
    if (answer.code !== 0) throw new Error(`a send is refused: ${answer.code} ${answer.remark}`)
    sent.push({
      key,
      queueId,
      body: body.toString(),
      properties: all,
      dueMs: isLevel ? sentMs + 30_000 : dueMs,
      isLevel,
      order: i
    })
  }
  return sent
}

function textOf(properties) {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\x01${value}\x02`)
    .join('')
}

/** All messages, once there are as many as expected and no more have come for a moment. */
async function untilArrived(address, count) {
  const lastMs = Date.now() + ARRIVE_MS_MAX
  for (;;) {
    let found = 0
    for (let queueId = 0; queueId < QUEUES; queueId++) found += await maxOffset(address, queueId)
    if (found >= count) break
    if (Date.now() > lastMs) throw new Error(`only ${found} of ${count} have arrived`)
    await pause(200)
  }
  await pause(3000)
  const all = []
  for (let queueId = 0; queueId < QUEUES; queueId++) all.push(...(await readQueue(address, queueId)))
  return all
}

async function maxOffset(address, queueId) {
  const { code, fields } = await ask(address, MAX_OFFSET, { topic: TOPIC, queueId })
  return code === 0 ? Number(fields.offset) : 0
}

async function readQueue(address, queueId) {
  const messages = []
  const max = await maxOffset(address, queueId)
  while (messages.length < max) {
    const fields = {
      ...{ consumerGroup: 'readers', topic: TOPIC, queueId, queueOffset: messages.length, maxMsgNums: 32, sysFlag: 4 },
      ...{ commitOffset: 0, suspendTimeoutMillis: 0, subscription: '*', subVersion: 1, expressionType: 'TAG' }
    }
    const { code, remark, body } = await ask(address, PULL, fields)
    if (code !== 0) throw new Error(`a pull is refused: ${code} ${remark}`)
    const bytes = new Uint8Array(body)
    const view = new DataView(bytes.buffer)
    const positions = new RecordPositions()
    for (let at = 0; at < bytes.length; at += positions.totalBytes) {
      if (locate(view, at, bytes.length, positions) !== 0) throw new Error('a pull gives what is no record')
      messages.push(decodeRecord(bytes, view, positions))
    }
  }
  return messages
}

function compare(expected, arrived, { to, end }) {
  const wrong = []
  const seen = new Map()
  for (const message of arrived) {
    const key = message.properties.UNIQ_KEY
    const sent = expected.get(key)
    if (sent === undefined) {
      wrong.push(`${key} was never sent`)
      continue
    }
    seen.set(key, (seen.get(key) ?? 0) + 1)
    const body = Buffer.from(message.body).toString()
    if (body !== sent.body) wrong.push(`${key} has another body: ${body}`)
    if (message.queueId !== sent.queueId) wrong.push(`${key} came into queue ${message.queueId}`)
    if (message.storedAtMs < sent.dueMs) wrong.push(`${key} came ${sent.dueMs - message.storedAtMs} ms early`)
    for (const [name, value] of Object.entries({
      ...sent.properties,
      REAL_TOPIC: TOPIC,
      REAL_QID: String(sent.queueId)
    })) {
      if (message.properties[name] !== value) wrong.push(`${key} has ${name}=${message.properties[name]}, not ${value}`)
    }
  }
  for (const key of expected.keys()) if (!seen.has(key)) wrong.push(`${key} is lost`)
  if (end === 'stop') for (const [key, times] of seen) if (times > 1) wrong.push(`${key} came ${times} times`)
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    const levels = arrived.filter(({ queueId: of, properties }) => of === queueId && properties.DELAY)
    const orders = [...new Set(levels.map(({ properties }) => expected.get(properties.UNIQ_KEY)?.order))]
    if (orders.some((order, i) => i > 0 && order < orders[i - 1]))
      wrong.push(`queue ${queueId} has its levels out of order`)
  }
  // Apache RocketMQ delivers those of one second in no order that it promises.
  if (to === 'varve') wrong.push(...outOfOrder(expected, arrived))
  if (wrong.length > 0) throw new Error(wrong.slice(0, 20).join('\n'))
}

/** Timed messages of one queue: by their times, equal ones in the order of sending. After a kill some come twice. */
function outOfOrder(expected, arrived) {
  const wrong = []
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    const timed = arrived.filter(({ queueId: of, properties }) => of === queueId && !properties.DELAY)
    const keys = [...new Set(timed.map(({ properties }) => properties.UNIQ_KEY))]
    const sent = keys.map(key => expected.get(key)).filter(message => message !== undefined)
    for (const [i, { key, dueMs, order }] of sent.entries()) {
      const before = sent[i - 1]
      if (before === undefined || before.dueMs < dueMs || (before.dueMs === dueMs && before.order < order)) continue
      wrong.push(`${key} comes behind ${before.key} in queue ${queueId}`)
    }
  }
  return wrong
}
