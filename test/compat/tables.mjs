/**
 * The tables of `config/`: Varve writes them and Apache's own managers list the same, Apache changes and saves them and
 * Varve lists the same, and what Varve leaves when it is killed in the middle of a save, Apache takes for the old content.
 */
import { runApache } from './apache-store.mjs'

const BROKER_NAME = 'broker-a'
/** Enough for more than one kind of everything; more would only take longer. */
const ITEM_COUNT = 40

/** @returns {Promise<string[]>} what differs, each with the turn in which it did */
export async function compareTables({ version, place, seed }) {
  const varve = await import('../../dist/src/broker/index.js')
  const { openRealFiles } = await import('../../dist/src/store/index.js')
  const { seededRandom, silentLog, systemClock } = await import('../../dist/src/base/index.js')
  const files = openRealFiles({ mapper: 'plain' })

  const open = (save = varve.saveHere(files)) =>
    varve.openTables({
      directory: place,
      files,
      save,
      clock: systemClock,
      log: silentLog,
      config: varve.brokerConfig({ brokerName: BROKER_NAME })
    })
  const wrong = []
  const apache = verb => runApache(version, verb, { dir: place, brokerName: BROKER_NAME })
  const compare = (turn, expected, listed) => {
    const [is, should] = [listed, expected].map(lines => lines.map(line => JSON.stringify(line, sortedKeys)))
    const missing = should.filter(line => !is.includes(line))
    const extra = is.filter(line => !should.includes(line))
    wrong.push(...missing.map(line => `${turn}: missing ${line}`), ...extra.map(line => `${turn}: ${line}`))
  }

  const tables = open()
  fill(varve, tables, seededRandom(seed))
  await tables.close()
  compare('Apache lists what Varve wrote', linesOf(varve, tables), (await apache('list-tables')).filter(isOfBoth))
  compare('Varve lists what Apache changed', await apache('write-tables'), linesOf(varve, open()))

  const before = linesOf(varve, open())
  await changeAndDie(varve, open, files)
  compare('Apache lists what a killed save left', before, await apache('list-tables'))
  compare('Varve lists what a killed save left', before, linesOf(varve, open()))
  return wrong
}

/** 5.5 makes two topics of its own for transactions in RocksDB, which Varve does not have until Apache has saved them. */
const isOfBoth = ({ topicName }) => !topicName?.startsWith('RMQ_SYS_ROCKSDB_')

function fill({ topicConfig, groupConfig }, { topics, groups, offsets }, random) {
  const letters = 'abcXYZ019_-%|'
  const name = () => Array.from({ length: random.between(1, 30) }, () => random.pick([...letters])).join('')
  topics.update(topicConfig('varve-deleted-by-apache'))
  for (let i = 0; i < ITEM_COUNT; i++) {
    const topic = i === 0 ? `%RETRY%${'t'.repeat(248)}` : `varve-${name()}`
    topics.update(
      topicConfig(topic, {
        readQueueCount: random.below(20),
        writeQueueCount: random.below(20),
        perm: random.below(8),
        sysFlag: random.below(4),
        isOrdered: random.chance(0.5)
      }),
      random.chance(0.5) ? [{ type: 'set', name: 'message.type', value: random.pick(['FIFO', 'DELAY', 'NORMAL']) }] : []
    )
    const group = `varve-${name()}`
    groups.update(
      groupConfig(group, {
        mayConsume: random.chance(0.5),
        mayConsumeFromMinimum: random.chance(0.5),
        mayBroadcast: random.chance(0.5),
        isOrdered: random.chance(0.5),
        retryQueueCount: random.below(9),
        retryCountMax: random.below(30),
        retryPolicy: random.chance(0.5) ? { type: 'CUSTOMIZED' } : exponential(random),
        brokerId: random.below(5),
        brokerIdWhenSlow: random.below(5),
        tellsMembers: random.chance(0.5),
        sysFlag: random.below(4),
        consumeTimeoutMinutes: random.below(60),
        subscriptions: random.chance(0.3) ? [{ expression: 'a > 1', expressionType: 'SQL92', topic, version: 7 }] : []
      })
    )
    if (random.chance(0.3)) groups.setForbidden({ group, topic, bit: random.below(8), isForbidden: true })
    for (let queueId = 0; queueId < random.below(12); queueId++) {
      offsets.commit(
        { topic, group: random.chance(0.1) ? `${group}@broadcast` : group, queueId },
        random.below(2 ** 45)
      )
    }
  }
}

const exponential = random => ({
  exponentialRetryPolicy: {
    initial: random.below(9000),
    max: random.below(9_000_000),
    multiplier: random.between(2, 5)
  },
  type: 'EXPONENTIAL'
})

/** The process ends between the two renames: the old file is the backup already, the new one has no name yet. */
async function changeAndDie({ topicConfig, saveHere }, open, files) {
  const dying = new Proxy(files, {
    get(target, method) {
      if (method !== 'rename') return target[method].bind?.(target) ?? target[method]
      return (from, to) => {
        if (!to.endsWith('.bak')) throw new Error('killed')
        target.rename(from, to)
      }
    }
  })
  const tables = open(saveHere(dying))
  tables.topics.update(topicConfig('varve-never-acknowledged'))
  tables.groups.getOrCreate('varve-never-acknowledged')
  tables.offsets.commit({ topic: 'varve-never-acknowledged', group: 'g', queueId: 0 }, 1)
  const outcomes = await Promise.allSettled([tables.topics.saved(), tables.groups.saved(), tables.offsets.saved()])
  if (outcomes.some(({ status }) => status === 'fulfilled'))
    throw new Error('a save that was killed is not acknowledged')
}

/** The lines that Apache's side prints of the same tables. */
function linesOf({ topicConfigJson, groupConfigJson }, { topics, groups, offsets }) {
  const lines = []
  for (const topic of topics.all()) lines.push({ kind: 'topic', ...topicConfigJson(topic) })
  for (const group of groups.all()) {
    const json = groupConfigJson(group)
    lines.push({ kind: 'group', ...json, subscriptionDataSet: json.subscriptionDataSet ?? [] })
  }
  for (const [group, masks] of Object.entries(groups.forbiddenJson())) {
    for (const [topic, mask] of Object.entries(masks)) lines.push({ kind: 'forbidden', group, topic, mask })
  }
  for (const [key, queues] of Object.entries(offsets.json())) {
    for (const [queueId, offset] of Object.entries(queues)) {
      lines.push({ kind: 'offset', key, queueId: Number(queueId), offset })
    }
  }
  for (const [table, { version }] of Object.entries({ topics, groups, offsets })) {
    lines.push({ kind: 'version', table, counter: version.counter, stateVersion: version.stateVersion })
  }
  return lines
}

/** The same text for the same members in any order. */
function sortedKeys(_key, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
