/** Messages that their producers decide about later: at once, when they are asked, never, and when somebody dies meanwhile. */
import { complaints, consumedIn } from '../judge.mjs'
import { expect, expectSame } from '../world.mjs'

/** So that a test of seconds sees several rounds of questions. */
const SETTINGS = { transactionTimeOut: 3000, transactionCheckInterval: 1000, transactionCheckMax: 3 }
/** Clients make themselves known again within a second, but Go's within thirty. */
const PATIENT = { transactionCheckMax: 100 }
/** So often nobody is asked here: the producer does not know until the end. */
const NEVER = 1000
/** A number far from all others. */
const ELSEWHERE = 10_000
const GIVEN_UP = 'TRANS_CHECK_MAX_TIME_TOPIC'
/** In turn, by number. What fails, or does not know yet, is asked about. */
const DECISIONS = ['commit', 'rollback', 'unknown', 'unknown', 'fails']
const ANSWERS = ['commit', 'rollback', 'commit', 'rollback', 'commit']
const COUNT = 50
const isCommitted = id => id % 5 === 0 || id % 5 === 2 || id % 5 === 4
const isAsked = id => id % 5 >= 2
/** Long enough for two more rounds of questions. */
const QUIET_MS = 3500

export const transactions = [
  {
    name: 'what is committed comes, what is rolled back does not, and the undecided is asked about until it is decided',
    needs: ['push', 'transactions'],
    short: ['java 5', 'go'],
    async run(world) {
      const { target, topic, producer, consumer } = await start(world, { askedMin: 2 })
      await producer.run({ ...half(topic), count: COUNT, tags: ['x', 'y'], keys: true })
      await world.untilConsumed([consumer], topic, (3 * COUNT) / 5)
      await world.until(() => asked(producer, 2).size === (3 * COUNT) / 5, 'all that is open is asked about twice')
      for (const { topic: about, tags, keys, intact, id } of producer.events('asked'))
        expectSame([about, tags, keys, intact], [topic, 'xy'[id % 2], `key-${id}`, true], `the question about ${id}`)
      expectSame(
        [...asked(producer, 1)].filter(id => !isAsked(id)),
        [],
        'asked about although decided'
      )
      expectSame(producer.events('executed').length, COUNT, 'local transactions')
      if (world.can('deciding again')) await decideAgain(world, { topic, producer })
      await world.pause(QUIET_MS)
      expectSame([...asked(producer, 3)], [], 'asked about after they were decided')
      judge({ topic, producers: [producer], consumer })

      // Without anybody asking, it is all there for a group that comes later.
      const later = world.client(target)
      await later.run({ do: 'push', as: 'c', group: world.group('later'), topic })
      await world.untilConsumed([later], topic, (3 * COUNT) / 5)
      judge({ topic, producers: [producer], consumer: later })
    }
  },
  {
    name: 'the broker asks another live producer of the group when the one that sent was killed, and no stranger',
    needs: ['push', 'transactions'],
    short: ['go'],
    async run(world) {
      const { target, topic, producer, consumer } = await start(world, { askedMin: NEVER, settings: PATIENT })
      const [other, stranger] = [world.client(target), world.client(target)]
      await other.run(producing(world))
      await stranger.run({ ...producing(world), group: world.group('strangers') })
      // Clients make themselves known to the brokers that they have sent something to.
      for (const client of [other, stranger])
        await client.run({ ...half(topic), decisions: ['rollback'], from: ELSEWHERE })
      await producer.run({ ...half(topic), decisions: ['unknown'], count: COUNT })
      await producer.kill()
      await world.untilConsumed([consumer], topic, (3 * COUNT) / 5)
      await world.until(() => asked(other, 1).size === COUNT, 'the other is asked about all')
      await world.pause(QUIET_MS)
      judge({ topic, producers: [producer], consumer })
      expectSame(stranger.events('asked').length, 0, 'questions to a stranger')
    }
  },
  {
    name: 'what nobody ever decides is asked about so often and no more, and then put where it can be looked at',
    needs: ['push', 'transactions'],
    async run(world) {
      const { target, topic, producer, consumer } = await start(world, { askedMin: NEVER })
      const inspector = world.client(target)
      await producer.run({ ...half(topic), decisions: ['unknown', 'commit'], count: 10 })
      await world.until(() => asked(producer, SETTINGS.transactionCheckMax).size === 5, 'asked about to the end')
      await world.pause(QUIET_MS)
      expectSame(producer.events('asked').length, 5 * SETTINGS.transactionCheckMax, 'questions')
      await inspector.run({ do: 'push', as: 'i', group: world.group('inspectors'), topic: GIVEN_UP })
      await world.untilConsumed([inspector], GIVEN_UP, 5)
      const given = consumedIn(inspector.journal, GIVEN_UP)
      expectSame(given.map(({ id }) => id).sort(), [0, 2, 4, 6, 8], 'given up')
      expect(
        given.every(({ intact }) => intact),
        'what was given up is whole'
      )
      judge({ topic, producers: [producer], consumer, arrives: id => id % 2 === 1 })
    }
  },
  {
    name: 'a kill of the broker at any point loses no commit, delivers no rollback, and leaves the undecided open',
    needs: ['push', 'transactions'],
    short: ['java 5'],
    async run(world) {
      const { target, topic, producer, consumer } = await start(world, { askedMin: 1, settings: PATIENT })
      const halves = () => producer.events('half').length
      let next = 0
      for (let kill = 0; kill < 4; kill++) {
        const before = halves()
        const sending = producer.run({ ...half(topic), from: next, count: 400, everyMs: 1 })
        next += 400
        await world.until(() => halves() >= before + 60 + 40 * kill, 'halves are sent')
        await target.kill()
        await sending
        await target.start()
      }
      await world.until(async () => {
        await producer.run({ ...half(topic), from: next, count: 5 })
        next += 5
        return producer.events('half').some(({ id }) => id === next - 1)
      }, 'the producer goes on')
      // A decision that was on its way when the broker died is asked for.
      const wanted = () =>
        new Set(
          producer
            .events('half')
            .map(({ id }) => id)
            .filter(isCommitted)
        )
      const missing = () => {
        const there = new Set(consumedIn(consumer.journal, topic).map(({ id }) => id))
        return [...wanted()].filter(id => !there.has(id))
      }
      await world.until(
        () => missing().length === 0,
        () => `committed but not consumed: ${missing().slice(0, 10)}`
      )
      await world.pause(QUIET_MS)
      // What was not acknowledged may be there all the same, and is decided like the others. Consumers get again what they
      // had before the broker could note it, but from the same place.
      const mayArrive = id => id < next && isCommitted(id)
      judge({ topic, producers: [producer], consumer, mayArrive, repeats: 'some' })
      expectSame(storedTwice(consumedIn(consumer.journal, topic)), [], 'stored twice')
    }
  }
]

const producing = world => ({
  do: 'transactionProducer',
  as: 't',
  group: world.group('producers'),
  answers: ANSWERS,
  askedMin: 1
})
const half = topic => ({ do: 'sendHalf', as: 't', topic, decisions: DECISIONS })

async function start(world, { askedMin, settings }) {
  const target = await world.ownTarget({ ...SETTINGS, ...settings })
  const topic = await world.topic(target, 'paid')
  const [producer, consumer] = [world.client(target), world.client(target)]
  await consumer.run({ do: 'push', as: 'c', group: world.group(), topic })
  await producer.run({ ...producing(world), askedMin })
  return { target, topic, producer, consumer }
}

/** The numbers that a producer was asked about at least so often. */
function asked(producer, timesMin) {
  return new Set(
    producer
      .events('asked')
      .filter(({ times }) => times >= timesMin)
      .map(({ id }) => id)
  )
}

/** What is decided stays so, whoever says it again, late, or otherwise. */
async function decideAgain(world, { topic, producer }) {
  const again = (id, decision) => producer.run({ do: 'endAgain', as: 't', id, decision })
  if (world.kind === 'varve') await again(0, 'commit') // Apache's broker stores it twice.
  await again(1, 'rollback')
  await again(0, 'rollback')
  if (world.kind === 'varve') {
    await again(1, 'commit')
    await again(2, 'commit') // Decided by an answer, under another place.
    await again(3, 'commit')
  }
  // These stand behind those before, on the same connection: once the broker knows them, it knew the others.
  await producer.run({ ...half(topic), from: COUNT, count: 1 })
}

function judge({ topic, producers, consumer, arrives = isCommitted, mayArrive, repeats = 'none' }) {
  const acknowledged = new Map(producers.flatMap(({ journal }) => halvesIn(journal)).map(line => [line.id, line]))
  const wrong = complaints({
    acknowledged,
    consumed: consumedIn(consumer.journal, topic),
    mustArrive: arrives,
    repeats,
    ...(mayArrive && { mayArrive })
  })
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
}

/** Numbers that came from more than one place. */
function storedTwice(lines) {
  const places = new Map()
  for (const { id, queueId, queueOffset } of lines)
    places.set(id, (places.get(id) ?? new Set()).add(`${queueId} ${queueOffset}`))
  return [...places].filter(([, all]) => all.size > 1).map(([id, all]) => `${id}: ${[...all].join(', ')}`)
}

/** A half message was acknowledged for a place where no consumer finds it. */
const halvesIn = journal => journal.filter(({ event }) => event === 'half')
