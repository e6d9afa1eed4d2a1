/**
 * Makes test/golden/frames anew: `node test/clients/record-frames.mjs`. Java 17 and Maven are needed.
 *
 * The Java client of two releases talks to Apache's own name server and broker through recording proxies, with JSON
 * headers and once more with binary ones; so does Apache's broker to the name server. For each kind of frame (direction,
 * code, which fields it has, whether it has a body) the first two are kept, and beside them what RocketMQ's own decoder
 * reads in each.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildApacheServers, freePorts, startApacheBroker, startApacheNameServer } from './apache-servers.mjs'
import { ClientProcess } from './client-process.mjs'
import { buildJavaClient, JAVA_CLIENT_VERSIONS, javaClient } from './java-client.mjs'
import { startRecordingProxy } from './recording-proxy.mjs'
import { createTopic } from './topics.mjs'

const FRAMES_OF_A_KIND = 2
/** A larger body adds nothing but size; compressed ones are smaller. */
const FRAME_BYTES_MAX = 16_384
/** Long enough for heartbeats, rebalancing and commits of a second each. */
const SETTLE_MS = 4000
/** The broker is reached under another address of loopback, so that the proxy can listen at the one it registers. */
const PROXY_HOST = '127.0.0.2'

const TOPIC = 'frames'

const target = fileURLToPath(new URL('../golden/frames/', import.meta.url))

buildApacheServers(say)
for (const version of JAVA_CLIENT_VERSIONS) buildJavaClient(version, say)
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const version of JAVA_CLIENT_VERSIONS) {
  for (const headers of ['json', 'binary']) await record(version, headers)
}

async function record(version, headers) {
  say(`recording the Java client ${version} with ${headers} headers`)
  const home = mkdtempSync(join(tmpdir(), 'varve-frames-'))
  const frames = []
  const keep = channel => frame => frames.push({ channel, ...frame })
  const nameServer = await startApacheNameServer({ home: join(home, 'name-server') })
  const port = (await freePorts(4)) + 2
  const hostAndPort = text => ({ host: text.split(':')[0], port: Number(text.split(':')[1]) })
  const forBroker = await startRecordingProxy({
    listen: { host: '127.0.0.1', port: 0 },
    target: hostAndPort(nameServer.address),
    record: keep('broker to name server')
  })
  const forClient = await startRecordingProxy({
    listen: { host: '127.0.0.1', port: 0 },
    target: hostAndPort(nameServer.address),
    record: keep('client to name server')
  })
  const toBroker = await startRecordingProxy({
    listen: { host: PROXY_HOST, port },
    target: { host: '127.0.0.1', port },
    record: keep('client to broker')
  })
  const broker = await startApacheBroker({
    home: join(home, 'broker'),
    nameServer: forBroker.address,
    port,
    advertisedHost: PROXY_HOST
  })
  const properties = headers === 'binary' ? { 'rocketmq.serialize.type': 'ROCKETMQ' } : {}
  const start = () =>
    new ClientProcess({ ...javaClient(version, { home, properties }), defaults: { nameServer: forClient.address } })
  const client = start()
  await createTopic({ nameServer: nameServer.address, brokers: [`127.0.0.1:${port}`] }, TOPIC)
  await useEverything(client, { broker: broker.name, start })
  await client.stop()
  await broker.kill()
  await nameServer.kill()
  for (const proxy of [forBroker, forClient, toBroker]) proxy.close()
  write({ version, headers, frames, home })
  rmSync(home, { recursive: true, force: true })
}

async function useEverything(client, { broker, start }) {
  const topic = TOPIC
  await client.run({ do: 'producer', as: 'p', group: 'frame-producers' })
  await client.run({
    do: 'send',
    as: 'p',
    topic,
    count: 2,
    tags: ['TagA', 'TagB'],
    keys: true,
    properties: { a: ['10', '3'] }
  })
  await client.run({ do: 'send', as: 'p', topic, from: 2, mode: 'batch', count: 3, keys: true })
  await client.run({ do: 'send', as: 'p', topic, from: 5, mode: 'async', count: 2 })
  await client.run({ do: 'send', as: 'p', topic, from: 7, mode: 'oneway', count: 2, bytes: 8192 })
  await client.run({ do: 'send', as: 'p', topic, from: 9, mode: 'queue', broker, queueId: 1, count: 1 })
  await client.run({ do: 'push', as: 'c', group: 'frame-tags', topic, tags: 'TagA || TagB' })
  await client.run({ do: 'push', as: 's', group: 'frame-sql', topic, sql: 'a > 5' })
  await client.run({ do: 'push', as: 'o', group: 'frame-orderly', topic, orderly: true })
  await client.run({ do: 'push', as: 't', group: 'frame-timestamp', topic, from: 'CONSUME_FROM_TIMESTAMP' })
  await client.run({ do: 'push', as: 'b', group: 'frame-broadcasting', topic, broadcasting: true })
  const second = start()
  await second.run({ do: 'push', as: 'o', group: 'frame-orderly', topic, orderly: true })
  await client.run({ do: 'litePull', as: 'l', group: 'frame-lite', topic, autoCommit: true })
  await client.run({ do: 'pullConsumer', as: 'q', group: 'frame-pull' })
  await pause(SETTLE_MS)
  await client.run({ do: 'litePull', as: 'a', group: 'frame-assigned', topic, assign: true })
  for (const as of ['l', 'a']) {
    await client.run({ do: 'seek', as, topic, to: 'begin' })
    await client.run({ do: 'poll', as })
    await client.run({ do: 'commit', as })
    await client.run({ do: 'committed', as, topic })
    await client.run({ do: 'offsetForTimestamp', as, topic, queueId: 0, timestamp: 0 })
  }
  await client.run({ do: 'offsets', as: 'q', topic, timestamp: 0 })
  await client.run({ do: 'pull', as: 'q', topic, broker, queueId: 1, offset: 0 })
  await client.run({ do: 'pull', as: 'q', topic, broker, queueId: 1, offset: 1000 })
  await client.run({ do: 'updateOffset', as: 'q', topic, broker, queueId: 1, offset: 1 })
  await client.run({ do: 'fetchOffset', as: 'q', topic, broker, queueId: 1 })
  await client.run({ do: 'queryKey', as: 'p', topic, key: 'key-1' })
  const [sent] = client.events('sent')
  await client.run({ do: 'view', as: 'p', topic, id: sent.offsetId })
  await second.stop()
  await pause(SETTLE_MS)
}

function write({ version, headers, frames, home }) {
  const kinds = new Map()
  const kept = frames.filter(({ channel, from, bytes }) => {
    const kind = `${channel} ${from} ${kindOf(bytes)}`
    const count = (kinds.get(kind) ?? 0) + 1
    kinds.set(kind, count)
    return count <= FRAMES_OF_A_KIND && bytes.length <= FRAME_BYTES_MAX
  })
  const name = `java-${version}-${headers}`
  const file = join(target, `${name}.bin`)
  writeFileSync(file, Buffer.concat(kept.map(({ bytes }) => bytes)))
  const { command, args } = javaClient(version, { home, main: 'clients.ListFrames', args: [file] })
  const lines = execFileSync(command, args, { encoding: 'utf8' }).trimEnd().split('\n')
  const listed = lines.map((line, index) =>
    JSON.stringify({ channel: kept[index].channel, from: kept[index].from, ...JSON.parse(line) })
  )
  writeFileSync(join(target, `${name}.json`), `[\n${listed.join(',\n')}\n]\n`)
  say(`${name}: ${kept.length} frames of ${frames.length}`)
}

/** Code, flag and names of fields for JSON; of a binary header the fixed part without what differs in each. */
function kindOf(bytes) {
  const headerWord = bytes.readInt32BE(4)
  const headerBytes = headerWord & 0xffffff
  const hasBody = bytes.length > 8 + headerBytes
  if (headerWord >>> 24 === 0) {
    const { code, flag, extFields } = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes))
    return `${code} ${flag} ${Object.keys(extFields ?? {}).sort()} ${hasBody}`
  }
  return `binary ${bytes.readInt16BE(8)} ${bytes.readInt32BE(17)} ${hasBody}`
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
