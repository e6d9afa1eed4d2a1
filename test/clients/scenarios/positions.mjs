/** Where consumers begin, and that they go on where they were: across restarts of themselves and of the broker. */
import { consumedIn } from '../judge.mjs'
import { expectSame } from '../world.mjs'

const COUNT = 60
const QUEUES = 4
const APART_MS = 1100
const MINUTE_MS = 60_000

export const positions = [
  {
    name: 'a consumer that was stopped goes on where it was',
    needs: ['sync', 'push'],
    short: 'all',
    async run(world) {
      const target = await world.target()
      const { topic, client, listen } = await consumedAll(world, target)
      await client.run({ do: 'stop', as: 'c' })
      await expectOnlyTheRest(world, { target, topic, client, listen })
    }
  },
  {
    name: 'offsets are kept when the broker is stopped and started',
    needs: ['sync', 'push'],
    short: ['java 5', 'node'],
    async run(world) {
      const target = await world.ownTarget()
      const { topic, client, listen } = await consumedAll(world, target)
      await client.run({ do: 'stop', as: 'c' })
      await target.stop()
      await target.start()
      await expectOnlyTheRest(world, { target, topic, client, listen })
    }
  },
  {
    name: 'a group without offsets gets all of a young topic, whatever it asked for',
    needs: ['sync', 'push', 'from'],
    short: ['go'],
    async run(world) {
      const { target, topic, client } = await sentTwice(world)
      for (const from of ['CONSUME_FROM_FIRST_OFFSET', 'CONSUME_FROM_LAST_OFFSET', 'CONSUME_FROM_TIMESTAMP']) {
        const consumer = world.client(target)
        await consumer.run({ do: 'push', as: from, group: world.group(from), topic, from })
        await world.untilConsumed([consumer], topic, 2 * COUNT)
        world.judge({ topic, producers: [client], consumers: [consumer] })
      }
    }
  },
  {
    // Members of a broadcasting group keep their offsets themselves, so that the broker's rule for young topics is no matter.
    name: 'a consumer begins at the first, at the last or at a time',
    needs: ['sync', 'push', 'broadcasting', 'from'],
    short: ['java'],
    async run(world) {
      const { target, topic, client, betweenMs } = await sentTwice(world)
      const consumer = world.client(target)
      const wanted = {
        first: { from: 'CONSUME_FROM_FIRST_OFFSET', since: 0 },
        last: { from: 'CONSUME_FROM_LAST_OFFSET', since: 2 * COUNT },
        time: { from: 'CONSUME_FROM_TIMESTAMP', timestamp: localTime(betweenMs), since: COUNT }
      }
      for (const [as, { from, timestamp }] of Object.entries(wanted)) {
        const start = { do: 'push', as, group: world.group(as), topic, from, timestamp, broadcasting: true }
        await consumer.run(start)
      }
      const sureFrom = await untilAllQueuesAreRead(world, { topic, client, consumer, by: 'last' })
      await client.run({ do: 'send', as: 'p', topic, from: sureFrom, count: COUNT })
      for (const [as, { since }] of Object.entries(wanted)) {
        const surely = Math.max(since, as === 'last' ? sureFrom : 0)
        const isSure = id => id >= surely
        await world.until(
          () => arrived(consumer, topic, as, isSure) >= sureFrom + COUNT - surely,
          `${as} gets the rest`
        )
        const mayArrive = id => id >= since
        world.judge({ topic, producers: [client], consumers: [consumer], by: as, mustArrive: isSure, mayArrive })
      }
    }
  }
]

async function consumedAll(world, target) {
  const topic = await world.topic(target, 'kept')
  const client = world.client(target)
  const listen = { do: 'push', as: 'c', group: world.group(), topic }
  await client.run({ do: 'producer', as: 'p' })
  await client.run({ do: 'send', as: 'p', topic, count: COUNT })
  await client.run(listen)
  await world.untilConsumed([client], topic, COUNT)
  await world.settle()
  return { topic, client, listen }
}

async function expectOnlyTheRest(world, { target, topic, client, listen }) {
  await client.run({ do: 'send', as: 'p', topic, from: COUNT, count: COUNT })
  expectSame(client.events('unsent'), [], 'all is sent')
  const again = world.client(target)
  await again.run(listen)
  await world.untilConsumed([again], topic, COUNT)
  world.judge({ topic, producers: [client], consumers: [again], mustArrive: id => id >= COUNT })
  expectSame(consumedIn(client.journal, topic).length, COUNT, 'the first one got its part once')
}

/** Who begins at the last finds out queue by queue where that is. @returns the number from which on it must get all */
async function untilAllQueuesAreRead(world, { topic, client, consumer, by }) {
  let next = 2 * COUNT
  await world.until(async () => {
    await client.run({ do: 'send', as: 'p', topic, from: next, count: QUEUES })
    next += QUEUES
    return new Set(consumedIn(consumer.journal, topic, by).map(({ queueId }) => queueId)).size === QUEUES
  }, 'each queue is read')
  return next
}

function arrived({ journal }, topic, by, isMeant) {
  return consumedIn(journal, topic, by).filter(({ id }) => isMeant(id)).length
}

/** Half of the messages a second after the other: a client's start by time knows seconds. */
async function sentTwice(world) {
  const target = await world.target()
  const topic = await world.topic(target, 'begun', { queues: QUEUES })
  const client = world.client(target)
  await client.run({ do: 'producer', as: 'p' })
  await client.run({ do: 'send', as: 'p', topic, count: COUNT })
  await world.pause(APART_MS)
  const betweenMs = Date.now()
  await client.run({ do: 'send', as: 'p', topic, from: COUNT, count: COUNT })
  return { target, topic, client, betweenMs }
}

/** As clients read it: to the second, in the zone of the machine. */
function localTime(ms) {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_MS)
  return local.toISOString().replace(/\..*/, '').replaceAll(/[-T:]/g, '')
}
