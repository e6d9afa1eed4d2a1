/**
 * Unfinished outcomes handed over: one broker takes transactions, some decided and some not, and messages that consumers give
 * back; it is stopped or killed, and the other opens its store and finishes them. Varve and Apache RocketMQ, both ways:
 * `npm run test:outcomes -- [--only TEXT]`. Clients are Apache's own for Java.
 *
 * What consumers got before and after is compared with what was sent, message by message. After a clean stop each comes as
 * often as it should; after a kill what the dead broker had not noted comes again, as between two runs of Apache's own.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildApacheServers, freePorts, startApacheBroker, startApacheNameServer } from './apache-servers.mjs'
import { FLAVOURS } from './flavours.mjs'
import { consumedIn } from './judge.mjs'
import { createTopic, untilRouted } from './topics.mjs'
import { startVarve } from './varve-server.mjs'
import { pause, until } from './waiting.mjs'
import { expect, expectSame } from './world.mjs'

const { values: options } = parseArgs({ options: { only: { type: 'string', default: '' } } })

const SETTINGS = { transactionTimeOut: 2000, transactionCheckInterval: 2000 }
const [PAID, HARD] = ['paid', 'hard']
/** In turn, by number. The first producer never knows more; the second one does. */
const DECISIONS = ['commit', 'rollback', 'unknown', 'unknown']
const ANSWERS = ['commit', 'rollback', 'commit', 'rollback']
const isCommitted = id => ANSWERS[id % 4] === 'commit'
const isOpen = id => DECISIONS[id % 4] === 'unknown'
const COUNT = 40
/** A number far from all others, of a message that is rolled back whoever asks. */
const ELSEWHERE = 10_001
/** How often a message fails for those who retry, by number; and how often it is retried. */
const FAILURES = [0, 1, 99]
const RETRIES_MAX = 1
/** Level 3. */
const RETRY_MS = 10_000
/** Of one group all messages become dead letters at once. */
const HARD_COUNT = 24
const ALL_FAIL = [99]
const PROPERTIES = { tags: ['a', 'b'], keys: true, properties: { own: ['ü', 'ö', 'ä'] } }
const QUIET_MS = 5000

const java = FLAVOURS.find(({ name }) => name.startsWith('java 5'))
const say = line => process.stdout.write(`${line}\n`)
buildApacheServers(say)
java.build(say)
const root = mkdtempSync(join(tmpdir(), 'varve-outcomes-'))
let failures = 0
try {
  for (const [from, to, end] of [
    ['varve', 'apache', 'stop'],
    ['apache', 'varve', 'stop'],
    ['varve', 'apache', 'kill'],
    ['apache', 'varve', 'kill']
  ]) {
    const name = `${from} begins, ${to} finishes, after a ${end}`
    if (!name.includes(options.only)) continue
    try {
      await handOver({ from, to, end, home: join(root, `${from}-${end}`) })
      say(`ok   ${name}`)
    } catch (error) {
      failures++
      say(`FAIL ${name}\n${error.stack}`)
    }
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1

async function handOver({ from, to, end, home }) {
  mkdirSync(home)
  const nameServer = await startApacheNameServer({ home: join(home, 'names') })
  const running = [nameServer]
  try {
    const port = (await freePorts(4)) + 2
    const start = async kind => {
      const broker = await startBroker(kind, { home, port, nameServer: nameServer.address })
      running.push(broker)
      return broker
    }
    const clients = async name => {
      const all = await startClients({
        home: join(home, name),
        nameServer: nameServer.address,
        askedMin: name === 'first' ? 99 : 1
      })
      running.push(all.process)
      return all
    }
    const broker = await start(from)
    for (const topic of [PAID, HARD])
      await createTopic({ nameServer: nameServer.address, brokers: [broker.address] }, topic)
    const first = await clients('first')
    await begin(first)
    if (end === 'stop') await first.process.stop()
    await broker[end]()
    if (end === 'kill') await first.process.kill()

    await start(to)
    await untilRouted(nameServer.address, PAID)
    const second = await clients('second')
    await finish(second, { nameServer: nameServer.address })
    compare([first.process, second.process], { to, end })
  } finally {
    for (const process of running.reverse()) await process.kill()
  }
}

function startBroker(kind, { home, port, nameServer }) {
  return kind === 'varve'
    ? startVarve({ home, name: 'broker-a', port, nameServer, settings: SETTINGS })
    : startApacheBroker({ home, port, nameServer, settings: { ...SETTINGS, flushDiskType: 'ASYNC_FLUSH' } })
}

async function startClients({ home, nameServer, askedMin }) {
  mkdirSync(home, { recursive: true })
  const process = java.start({ home, nameServer })
  await process.run({ do: 'producer', as: 'p' })
  await process.run({ do: 'transactionProducer', as: 't', group: 'payers', answers: ANSWERS, askedMin })
  await process.run({ do: 'push', as: 'paid', group: 'paid-group', topic: PAID })
  const hard = { do: 'push', topic: HARD }
  await process.run({ ...hard, as: 'retry', group: 'retrying', failures: FAILURES, maxReconsumeTimes: RETRIES_MAX })
  await process.run({ ...hard, as: 'dead', group: 'giving-up', failures: ALL_FAIL, maxReconsumeTimes: 0 })
  return { process }
}

/** Until everything decided is decided, everything open has been asked about, and everything that fails was given back. */
async function begin({ process }) {
  await process.run({ do: 'sendHalf', as: 't', topic: PAID, decisions: DECISIONS, count: COUNT, ...PROPERTIES })
  await process.run({ do: 'send', as: 'p', topic: HARD, count: HARD_COUNT, ...PROPERTIES })
  const asked = () => new Set(process.events('asked').map(({ id }) => id))
  await until(
    () => Array.from({ length: COUNT }, (_, id) => id).every(id => !isOpen(id) || asked().has(id)),
    () => `asked about ${[...asked()]}`
  )
  await until(() => consumedIn(process.journal, PAID).length >= COUNT / 4, 'what is committed comes')
  for (const by of ['retry', 'dead'])
    await until(() => consumedIn(process.journal, HARD, by).length >= HARD_COUNT, `all fail for ${by}`)
  await pause(1500) // The last have been given back, and offsets reach the broker each second.
}

async function finish({ process }, { nameServer }) {
  // Producers make themselves known to the brokers that they have sent something to.
  await process.run({ do: 'sendHalf', as: 't', topic: PAID, decisions: ['rollback'], from: ELSEWHERE, ...PROPERTIES })
  const open = Array.from({ length: COUNT }, (_, id) => id).filter(isOpen)
  const asked = () => new Set(process.events('asked').map(({ id }) => id))
  await until(
    () => open.every(id => asked().has(id)),
    () => `asked about ${[...asked()]}`
  )
  // Each has been asked about before the other broker took over, and that broker counts on.
  for (const { id, times } of process.events('asked'))
    if (isOpen(id)) expect(times >= 2, `question ${times} about ${id} is not the first`)
  await until(
    () => consumedIn(process.journal, PAID).filter(({ id }) => isOpen(id)).length >= COUNT / 4,
    'what is committed now comes'
  )
  await until(
    () => consumedIn(process.journal, HARD, 'retry').filter(({ reconsumeTimes }) => reconsumeTimes === 1).length >= 16,
    () => `${consumedIn(process.journal, HARD, 'retry').length} retries`
  )
  for (const [as, group] of [
    ['letters', 'giving-up'],
    ['late-letters', 'retrying']
  ]) {
    const topic = `%DLQ%${group}`
    await untilRouted(nameServer, topic)
    await process.run({ do: 'push', as, group: `readers-of-${group}`, topic })
  }
  await until(() => consumedIn(process.journal, '%DLQ%giving-up').length >= HARD_COUNT, 'dead letters from before')
  await until(() => consumedIn(process.journal, '%DLQ%retrying').length >= HARD_COUNT / 3, 'dead letters of now')
  await pause(QUIET_MS)
}

function compare(processes, { to, end }) {
  const journal = processes.flatMap(process => process.journal)
  const consumed = (topic, by) => consumedIn(journal, topic, by)
  const isClean = end === 'stop'
  const halves = new Map(
    journal.filter(({ event, id }) => event === 'half' && id !== ELSEWHERE).map(line => [line.id, line])
  )
  const sent = new Map(
    journal.filter(({ event, topic }) => event === 'sent' && topic === HARD).map(line => [line.id, line])
  )
  expectSame([halves.size, sent.size], [COUNT, HARD_COUNT], 'sent')

  const paid = consumed(PAID)
  expectSame(idsOf(paid), Array.from({ length: COUNT }, (_, id) => id).filter(isCommitted), 'what was committed')
  // Apache's broker forgets a commit that it or another had not noted, asks, and stores the message once more.
  const isTwice = id => placesOf(paid.filter(line => line.id === id)).length > 1
  if (isClean || to === 'varve') expectSame(idsOf(paid).filter(isTwice), [], 'stored more than once')
  for (const line of paid) expectWhole(line, halves.get(line.id).uniqueId)

  const retried = consumed(HARD, 'retry')
  for (const [id, { uniqueId, offsetId }] of sent) {
    const lines = retried.filter(line => line.id === id)
    const times = lines.map(({ reconsumeTimes }) => reconsumeTimes)
    expectSame(isClean ? times : [...new Set(times)].sort(), FAILURES[id % 3] > 0 ? [0, 1] : [0], `attempts at ${id}`)
    const last = lines.findLast(({ reconsumeTimes }) => reconsumeTimes === 0)
    for (const line of lines) {
      expectWhole(line, uniqueId)
      if (line.reconsumeTimes === 0) continue
      if (isClean) expect(line.us - last.us >= RETRY_MS * 1000, `${id} comes again after ${line.us - last.us} us`)
      const { RETRY_TOPIC, ORIGIN_MESSAGE_ID } = line.properties
      expectSame([RETRY_TOPIC, ORIGIN_MESSAGE_ID], [HARD, offsetId], `where retry ${id} comes from`)
    }
  }
  expectLetters(consumed('%DLQ%giving-up'), { sent, isClean, reconsumeTimes: 1, isDead: () => true })
  expectLetters(consumed('%DLQ%retrying'), {
    sent,
    isClean,
    reconsumeTimes: 2,
    isDead: id => FAILURES[id % 3] > RETRIES_MAX
  })
}

function expectLetters(letters, { sent, isClean, reconsumeTimes, isDead }) {
  expectSame(idsOf(letters), [...sent.keys()].filter(isDead), 'dead letters')
  if (isClean) expectSame(letters.length, idsOf(letters).length, 'each once')
  for (const line of letters) {
    const { uniqueId, offsetId } = sent.get(line.id)
    expectWhole(line, uniqueId)
    const { RETRY_TOPIC, ORIGIN_MESSAGE_ID } = line.properties
    expectSame(
      [line.reconsumeTimes, RETRY_TOPIC, ORIGIN_MESSAGE_ID],
      [reconsumeTimes, HARD, offsetId],
      `dead letter ${line.id}`
    )
  }
}

function idsOf(lines) {
  return [...new Set(lines.map(({ id }) => id))].sort((one, other) => one - other)
}

function placesOf(lines) {
  return [...new Set(lines.map(({ queueId, queueOffset }) => `${queueId} ${queueOffset}`))]
}

function expectWhole({ id, intact, tags, keys, properties }, uniqueId) {
  expectSame(
    [intact, tags, keys, properties.own, properties.UNIQ_KEY],
    [true, PROPERTIES.tags[id % 2], `key-${id}`, PROPERTIES.properties.own[id % 3], uniqueId],
    `what message ${id} brings`
  )
}
