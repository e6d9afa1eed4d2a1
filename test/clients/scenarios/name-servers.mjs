/**
 * Name servers and registration, ours and Apache RocketMQ's in every combination: Apache's own name server, broker, mqadmin
 * and Java clients of two releases.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog, systemClock } from '../../../dist/src/base/index.js'
import { brokerConfig, saveHere, TopicTable, topicConfig } from '../../../dist/src/broker/index.js'
import { parseNameServers, Registration } from '../../../dist/src/server/registration.js'
import { openRealFiles } from '../../../dist/src/store/index.js'
import { buildApacheServers, freePorts, startApacheBroker, startApacheNameServer } from '../apache-servers.mjs'
import { ClientProcess } from '../client-process.mjs'
import { buildJavaClient, JAVA_CLIENT_VERSIONS, javaClient } from '../java-client.mjs'
import { Mqadmin } from '../mqadmin.mjs'
import { differences } from '../nameserver-differential.mjs'
import { callerOf, startVarveNameServer } from '../nameserver-varve.mjs'
import { createTopic } from '../topics.mjs'
import { until } from '../waiting.mjs'

const ROUTE = 105
const MESSAGE_COUNT = 50

const checks = {
  async 'the same answers to one conversation'({ home }) {
    const [apache, varve] = [await startApacheNameServer({ home: home('apache') }), await startVarveNameServer()]
    try {
      const wrong = await differences(apache.address, varve.address)
      if (wrong.length > 0) throw new Error(`${wrong.length} answers differ\n  ${wrong.join('\n  ')}`)
    } finally {
      await apache.stop()
      await varve.stop()
    }
  },

  async "an Apache broker and its tools with Varve's name server"({ home, mqadmin }) {
    const nameServer = await startVarveNameServer()
    const broker = await startApacheBroker({ home: home('broker'), nameServer: nameServer.address })
    const ask = (...args) => mqadmin(nameServer.address, ...args)
    try {
      await expectWords(ask('clusterList'), 'DefaultCluster', 'broker-a', broker.address, 'V5_5_0')
      await expectWords(ask('updateTopic', '-c', 'DefaultCluster', '-t', 'made', '-r', '4', '-w', '4'), 'success')
      await expectWords(
        ask('topicRoute', '-t', 'made'),
        '"brokerName":"broker-a"',
        `"${broker.address}"`,
        '"readQueueNums":4'
      )
      await expectWords(ask('topicList'), 'made', 'TBW102')
      await expectWords(ask('topicList', '-c'), 'DefaultCluster')
      await expectWords(ask('topicClusterList', '-t', 'made'), 'DefaultCluster')
      await expectWords(ask('topicStatus', '-t', 'made'), 'broker-a')
      await expectWords(ask('updateKvConfig', '-s', 'n', '-k', 'k', '-v', 'v'), 'success')
      await expectWords(ask('deleteKvConfig', '-s', 'n', '-k', 'k'), 'success')
      await expectWords(ask('updateOrderConf', '-m', 'put', '-t', 'made', '-v', 'broker-a:4'), 'success')
      await expectWords(ask('updateOrderConf', '-m', 'get', '-t', 'made'), 'broker-a:4')
      await expectWords(ask('getNamesrvConfig'), 'orderMessageEnable', 'false')
      await expectWords(ask('updateNamesrvConfig', '-k', 'orderMessageEnable', '-v', 'true'), 'success')
      await expectWords(ask('topicRoute', '-t', 'made'), '"orderTopicConf":"broker-a:4"')
      await expectWords(ask('wipeWritePerm', '-b', 'broker-a'), 'OK')
      await expectWords(ask('topicRoute', '-t', 'made'), '"perm":4')
      await expectWords(ask('addWritePerm', '-b', 'broker-a'), 'OK')
      await expectWords(ask('topicRoute', '-t', 'made'), '"perm":6')
      await expectWords(ask('deleteTopic', '-c', 'DefaultCluster', '-t', 'made'), 'success')
      await expectWords(ask('topicRoute', '-t', 'made'), 'No topic route info')
      for (const version of JAVA_CLIENT_VERSIONS)
        await sendAndConsume(version, home(`java-${version}`), nameServer, broker)
      await broker.kill()
      await until(async () => (await brokersOf(nameServer.address, 'TBW102')) === undefined, 'the broker is forgotten')
    } finally {
      await broker.kill()
      await nameServer.stop()
    }
  },

  async "an Apache broker comes back to a name server of Varve's that was restarted"({ home }) {
    const port = await freePorts(1)
    const first = await startVarveNameServer({ port })
    const settings = { registerNameServerPeriod: 10_000 }
    const broker = await startApacheBroker({ home: home('broker'), nameServer: first.address, settings })
    try {
      await first.stop()
      const second = await startVarveNameServer({ port })
      await until(async () => (await brokersOf(second.address, 'TBW102')) !== undefined, 'the broker is back')
      await second.stop()
    } finally {
      await broker.kill()
    }
  },

  async "Varve's registration with Apache's name server, beside an Apache broker"({ home, mqadmin }) {
    const apache = await startApacheNameServer({ home: home('apache') })
    const varve = await startVarveNameServer()
    const broker = await startApacheBroker({ home: home('broker'), nameServer: `${apache.address};${varve.address}` })
    const { registration, topics } = registered(home('varve'), `${apache.address};${varve.address}`)
    try {
      await registration.start()
      for (const { address } of [apache, varve]) {
        const ask = (...args) => mqadmin(address, ...args)
        await expectBrokers(address, 'TBW102', { 'broker-a': broker.address, 'varve-a': '127.0.0.1:10911' })
        await expectWords(ask('clusterList'), 'broker-a', 'varve-a', '127.0.0.1:10911')
        await expectWords(ask('topicRoute', '-t', 'TBW102'), '"varve-a"', '"perm":7')
      }
      topics.update(topicConfig('ours', { readQueueCount: 3, writeQueueCount: 2 }))
      for (const { address } of [apache, varve]) {
        await until(async () => (await brokersOf(address, 'ours')) !== undefined, 'the new topic is known')
        await expectBrokers(address, 'ours', { 'varve-a': '127.0.0.1:10911' })
        await expectWords(mqadmin(address, 'topicRoute', '-t', 'ours'), '"readQueueNums":3', '"writeQueueNums":2')
      }
      await registration.close()
      for (const { address } of [apache, varve]) {
        await until(async () => (await brokersOf(address, 'ours')) === undefined, 'the broker is gone')
        await expectBrokers(address, 'TBW102', { 'broker-a': broker.address })
      }
    } finally {
      await registration.close()
      await broker.kill()
      await apache.stop()
      await varve.stop()
    }
  },

  async "Varve's registration survives a restart of Apache's name server"({ home }) {
    const port = await freePorts(1)
    const first = await startApacheNameServer({ home: home('first'), port })
    const { registration } = registered(home('varve'), first.address)
    try {
      await registration.start()
      await first.kill()
      const second = await startApacheNameServer({ home: home('second'), port })
      await until(async () => (await brokersOf(second.address, 'TBW102')) !== undefined, 'the broker is back')
      await second.stop()
    } finally {
      await registration.close()
    }
  }
}

/** Messages through the broker, found by way of the name server; also to a topic that does not exist yet. */
async function sendAndConsume(version, home, nameServer, broker) {
  mkdirSync(home, { recursive: true })
  const topic = `sent-${version.replaceAll('.', '-')}`
  await createTopic({ nameServer: nameServer.address, brokers: [broker.address] }, topic)
  const client = new ClientProcess({ ...javaClient(version, { home }), defaults: { nameServer: nameServer.address } })
  try {
    await client.run({ do: 'push', as: 'c', group: `g-${topic}`, topic })
    await client.run({ do: 'producer', as: 'p' })
    await client.run({ do: 'send', as: 'p', topic, count: MESSAGE_COUNT })
    await client.run({ do: 'send', as: 'p', topic: `auto-${topic}`, count: 1 })
    await until(() => client.journal.filter(({ by }) => by === 'c').length >= MESSAGE_COUNT, `${version} has consumed`)
  } finally {
    await client.stop()
  }
  const route = await brokersOf(nameServer.address, `auto-${topic}`)
  if (route === undefined) throw new Error('the topic that a send created is in no route')
}

/** Varve's side of registration, over tables of its own. */
function registered(directory, nameServers) {
  mkdirSync(join(directory, 'config'), { recursive: true })
  const files = openRealFiles({ mapper: 'plain' })
  const config = brokerConfig({ brokerName: 'varve-a' })
  const topics = new TopicTable({
    directory,
    files,
    save: saveHere(files),
    clock: systemClock,
    log: silentLog,
    config
  })
  const registration = new Registration({
    config,
    topics,
    port: 10_911,
    haPort: 10_912,
    nameServers: parseNameServers(nameServers),
    clock: systemClock,
    log: silentLog
  })
  return { registration, topics }
}

/** Master addresses by name; undefined where the topic has no route. */
async function brokersOf(address, topic) {
  const caller = await callerOf(address)
  try {
    const { code, body } = await caller.call(ROUTE, { topic })
    if (code !== 0) return undefined
    return Object.fromEntries(
      JSON.parse(body).brokerDatas.map(({ brokerName, brokerAddrs }) => [brokerName, brokerAddrs[0]])
    )
  } finally {
    caller.close()
  }
}

/** Brokers register one name server after another, and say that they are ready before all of them know. */
async function expectBrokers(address, topic, wanted) {
  const text = brokers => JSON.stringify(Object.entries(brokers ?? {}).sort())
  let found
  await until(
    async () => {
      found = await brokersOf(address, topic)
      return text(found) === text(wanted)
    },
    () => `${address}: ${topic} is at ${text(found)}, not ${text(wanted)}`
  )
}

async function expectWords(output, ...words) {
  const text = await output
  const missing = words.filter(word => !text.includes(word))
  if (missing.length > 0) throw new Error(`without ${missing.join(', ')}: ${text}`)
}

/** What mqadmin prints, spaces apart; it spreads JSON over lines, which are put together again. */
function mqadminIn(world) {
  const mqadmin = new Mqadmin({ home: world.home('mqadmin') })
  world.atEnd(() => mqadmin.kill())
  return async (nameServer, ...args) =>
    (await mqadmin.said(...args, '-n', nameServer))
      .map(line => line.trim())
      .join(' ')
      .replaceAll(/": /g, '":')
}

export const nameServers = Object.entries(checks).map(([name, check]) => ({
  name: `name servers: ${name}`,
  targets: ['varve'],
  short: name.startsWith("Varve's registration with") ? 'all' : [],
  build(progress) {
    buildApacheServers(progress)
    for (const version of JAVA_CLIENT_VERSIONS) buildJavaClient(version, progress)
  },
  run: world => check({ home: part => world.home(part), mqadmin: mqadminIn(world) })
}))
