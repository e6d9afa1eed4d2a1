/**
 * The Node.js client of RocketMQ, ali-ons, behind commands on stdin and a journal on stdout, one JSON object a line, as the
 * Java program beside it (../java). It sends one way and consumes one way, with tags; more it does not have.
 */
import { createInterface } from 'node:readline'
import { inspect } from 'node:util'
import { Consumer, Message, Producer } from 'ali-ons'
import { bodyOf, described } from './bodies.mjs'

const quiet = { debug() {}, info() {}, warn() {}, error: error => process.stderr.write(`${inspect(error)}\n`) }
/** As the Java program has them: a client's own are 10 s and 30 s. */
const INTERVALS = {
  pollNameServerInteval: 1000,
  heartbeatBrokerInterval: 1000,
  persistConsumerOffsetInterval: 1000,
  rebalanceInterval: 1000
}

const commands = { producer: startProducer, send, push: startPush, stop }
const producers = new Map()
const stops = new Map()

createInterface({ input: process.stdin })
  .on('line', line => void answer(JSON.parse(line)))
  .on('close', async () => {
    for (const as of [...stops.keys()]) await stop({ as })
    process.exit(0)
  })

async function answer({ call, ...command }) {
  try {
    say({ call, result: (await commands[command.do](command)) ?? {} })
  } catch (error) {
    say({ call, error: String(error) })
  }
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** What every client is told. It asks for an HTTP client even where it has no use for one. */
function settingsOf({ as, nameServer, instance = `${as}-${process.pid}` }) {
  return {
    nameSrv: nameServer,
    instanceName: instance,
    clientIP: '127.0.0.1',
    httpclient: {},
    logger: quiet,
    ...INTERVALS
  }
}

async function startProducer({ group = 'producers', ...call }) {
  const producer = new Producer({ ...settingsOf(call), producerGroup: group })
  producer.on('error', quiet.error)
  await producer.ready()
  producers.set(call.as, producer)
  stops.set(call.as, () => producer.close())
}

async function send({
  as,
  topic,
  from = 0,
  count = 1,
  bytes = 64,
  tags,
  keys,
  properties = {},
  everyMs = 0,
  mode = 'sync'
}) {
  if (mode !== 'sync') throw new Error(`no mode is called ${mode}`)
  for (let id = from; id < from + count; id++) {
    const tag = tags?.[id % tags.length]
    const message = tag ? new Message(topic, tag, bodyOf(id, bytes)) : new Message(topic, bodyOf(id, bytes))
    if (keys) message.keys = [`key-${id}`]
    for (const [name, values] of Object.entries(properties))
      if (values[id % values.length] !== null) message.properties[name] = values[id % values.length]
    await sendOne({ as, id, message })
    if (everyMs > 0) await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

/** It knows messages by the id that says where they lie, when it sends and when it consumes. */
async function sendOne({ as, id, message }) {
  try {
    const { messageQueue, queueOffset, sendStatus, msgId } = await producers.get(as).send(message)
    const { topic, brokerName: broker, queueId } = messageQueue
    const place = { topic, broker, queueId: Number(queueId), queueOffset: Number(queueOffset) }
    say({ event: 'sent', by: as, id, ...place, status: sendStatus, uniqueId: msgId })
  } catch (error) {
    say({ event: 'unsent', by: as, id, error: String(error) })
  }
}

async function startPush({ group, topic, tags = '*', broadcasting = false, from, ...call }) {
  const consumer = new Consumer({
    ...settingsOf(call),
    consumerGroup: group,
    isBroadcast: broadcasting,
    consumeFromWhere: from ?? 'CONSUME_FROM_FIRST_OFFSET'
  })
  consumer.on('error', quiet.error)
  consumer.subscribe(topic, tags, async (message, queue) => {
    say({ event: 'consumed', by: call.as, ...described(message), broker: queue.brokerName, queueId: queue.queueId })
  })
  await consumer.ready()
  stops.set(call.as, () => consumer.close())
}

async function stop({ as }) {
  const end = stops.get(as)
  stops.delete(as)
  await end()
}
