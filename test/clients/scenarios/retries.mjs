/** Messages that a consumer cannot handle: they come again after a while, and in the end lie among the dead letters. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { consumedIn } from '../judge.mjs'
import { expect, expectSame } from '../world.mjs'

/** The first retry waits level 3, the next level 4, and so on. */
const RETRY_MS = [1000, 2000, 3000]
const LEVELS = { messageDelayLevel: '5s 5s 1s 2s 3s 4s' }
const GIVEN_LEVEL = { level: 5, ms: 3000 }
const COUNT = 40
/** How often a message fails, by number; the last never succeeds. */
const FAILURES = [0, 1, 2, 99]
const RETRIES_MAX = 2
const SUSPEND_MS = 300
const command = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url))

export const retries = [
  {
    name: 'what is given back comes again, each time later, and ends as a dead letter that can be consumed and sent again',
    needs: ['sync', 'push', 'giving back'],
    short: ['go'],
    async run(world) {
      const target = await world.ownTarget(LEVELS)
      const topic = await world.topic(target, 'hard')
      const [producer, consumer] = [world.client(target), world.client(target)]
      const group = world.group()
      await consumer.run({
        do: 'push',
        as: 'c',
        group,
        topic,
        failures: FAILURES,
        maxReconsumeTimes: RETRIES_MAX
      })
      const stubborn = { do: 'push', as: 's', group: world.group('stubborn'), topic, failures: [1] }
      await consumer.run({ ...stubborn, delayLevel: GIVEN_LEVEL.level })
      await producer.run({ do: 'producer', as: 'p' })
      await producer.run({
        do: 'send',
        as: 'p',
        topic,
        count: COUNT,
        tags: ['t'],
        keys: true,
        properties: { own: ['ü'] }
      })
      await world.untilConsumed([consumer], topic, COUNT)

      const reader = world.client(target)
      const letters = `%DLQ%${group}`
      await world.until(() => attempts(consumer, topic, 3).every(lines => lines.length === 3), 'all retries are made')
      await world.untilRouted(target, letters)
      await reader.run({ do: 'push', as: 'r', group: world.group('readers'), topic: letters })
      await world.untilConsumed([reader], letters, COUNT / 4)
      await world.until(
        () => attempts(consumer, topic, 0, 's').every(lines => lines.length === 2),
        'what was given back with a level comes again'
      )
      await world.settle()
      judgeAttempts({ topic, consumer })
      judgeLetters(world, { topic, producer, lines: consumedIn(reader.journal, letters) })
      if (world.kind === 'varve') await sendAgain(world, { target, topic, group, consumer })
    }
  },
  {
    name: 'an orderly listener suspends its queue, keeps its order, and gives up what fails too often',
    needs: ['sync', 'push', 'orderly', 'giving back', 'selector'],
    short: ['java 4', 'go'],
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'suspended', { queues: 2 })
      const [producer, consumer, reader] = [world.client(target), world.client(target), world.client(target)]
      const group = world.group()
      await producer.run({ do: 'producer', as: 'p' })
      await producer.run({ do: 'send', as: 'p', topic, mode: 'selector', count: 12 })
      // One fails twice, one always; both hold up what is behind them in their queue.
      const failures = [0, 0, 0, 0, 2, 99, 0, 0, 0, 0, 0, 0]
      await consumer.run({
        ...{ do: 'push', as: 'c', group, topic, orderly: true, failures },
        ...{ suspendMs: SUSPEND_MS, maxReconsumeTimes: RETRIES_MAX }
      })
      await world.untilConsumed([consumer], topic, 12)
      const letters = `%DLQ%${group}`
      await world.untilRouted(target, letters)
      await reader.run({ do: 'push', as: 'r', group: world.group('readers'), topic: letters })
      await world.untilConsumed([reader], letters, 1)
      await world.settle()

      world.judge({ topic, producers: [producer], consumers: [consumer], repeats: 'some', ordered: true })
      const failing = [4, 5].map(id => consumedIn(consumer.journal, topic).filter(line => line.id === id))
      expectSame(reconsumed(failing[0]), [0, 1, 2], 'attempts at the one that fails twice')
      // Go's counts one more: it gives up what has been tried more often than allowed.
      const [least, most] = [
        [0, 1, 2],
        [0, 1, 2, 3]
      ]
      expect(
        [least, most].some(wanted => `${reconsumed(failing[1])}` === `${wanted}`),
        `attempts at the one that always fails: ${reconsumed(failing[1])}`
      )
      for (const lines of failing) expectPauses(lines, () => SUSPEND_MS)
      const dead = consumedIn(reader.journal, letters)
      expectSame(
        dead.map(({ id }) => id),
        [5],
        'dead letters'
      )
      expectSame([dead[0].intact, dead[0].properties.RETRY_TOPIC], [true, topic], 'the dead letter')
    }
  }
]

/** All attempts at each message that fails so often at least. */
function attempts({ journal }, topic, failuresMin, by = 'c') {
  const lines = consumedIn(journal, topic, by)
  return Array.from({ length: COUNT }, (_, id) => id)
    .filter(id => by !== 'c' || failuresOf(id) >= failuresMin)
    .map(id => lines.filter(line => line.id === id))
}

const failuresOf = id => FAILURES[id % FAILURES.length]
const reconsumed = lines => lines.map(({ reconsumeTimes }) => reconsumeTimes)

function expectPauses(lines, pauseMs) {
  for (let i = 1; i < lines.length; i++) {
    const ms = (lines[i].us - lines[i - 1].us) / 1000
    expect(ms >= pauseMs(i - 1), `attempt ${i} at ${lines[i].id} comes ${pauseMs(i - 1)} ms later, not ${ms}`)
  }
}

function judgeAttempts({ topic, consumer }) {
  for (const [id, lines] of attempts(consumer, topic, 0).entries()) {
    const wanted = [0, 1, 2].slice(0, Math.min(failuresOf(id), RETRIES_MAX) + 1)
    expectSame(reconsumed(lines), wanted, `attempts at ${id}`)
    expectPauses(lines, retry => RETRY_MS[retry])
    for (const { intact, tags, keys, uniqueId, properties } of lines)
      expectSame(
        [intact, tags, keys, properties.own, properties.UNIQ_KEY],
        [true, 't', `key-${id}`, 'ü', lines[0].uniqueId],
        `an attempt at ${id} (${uniqueId})`
      )
  }
  for (const lines of attempts(consumer, topic, 0, 's')) {
    expectSame(reconsumed(lines), [0, 1], 'attempts with a level')
    expectPauses(lines, () => GIVEN_LEVEL.ms)
  }
}

function judgeLetters(world, { topic, producer, lines }) {
  const sent = new Map(producer.events('sent').map(line => [line.id, line]))
  const dead = [...sent.keys()].filter(id => failuresOf(id) > RETRIES_MAX)
  expectSame(
    lines.map(({ id }) => id).sort((one, other) => one - other),
    dead,
    'dead letters'
  )
  for (const { id, intact, reconsumeTimes, tags, keys, properties } of lines) {
    const origin = [properties.RETRY_TOPIC, properties.ORIGIN_MESSAGE_ID, properties.UNIQ_KEY, properties.own]
    expectSame(origin, [topic, sent.get(id).offsetId, sent.get(id).uniqueId, 'ü'], `the origin of ${id}`)
    expectSame([intact, reconsumeTimes, tags, keys], [true, RETRIES_MAX + 1, 't', `key-${id}`], `dead letter ${id}`)
    if (world.kind === 'varve')
      expectSame(
        [properties.DLQ_ORIGIN_TOPIC, properties.DLQ_ORIGIN_MESSAGE_ID],
        [topic, sent.get(id).offsetId],
        `what dead letter ${id} says`
      )
  }
}

/** Once the consumer can handle them. */
async function sendAgain(world, { target, topic, group, consumer }) {
  await consumer.run({ do: 'stop', as: 'c' })
  const since = consumer.journal.length
  await consumer.run({ do: 'push', as: 'again', group, topic })
  const args = ['dlq', 'requeue', group, '--all', '--broker', target.broker, '--json']
  const told = execFileSync(process.execPath, [command, ...args], { encoding: 'utf8' })
  const summary = JSON.parse(told.trim().split('\n').at(-1))
  expectSame([summary.sent, summary.failed, summary.partial], [COUNT / 4, 0, false], 'sent again')
  const handled = () => consumedIn(consumer.journal.slice(since), topic, 'again')
  await world.until(() => handled().length >= COUNT / 4, 'what was sent again comes')
  expectSame(
    handled()
      .map(({ id, intact, reconsumeTimes }) => [id, intact, reconsumeTimes])
      .sort(([one], [other]) => one - other),
    Array.from({ length: COUNT / 4 }, (_, i) => [4 * i + 3, true, 0]),
    'sent again'
  )
}
