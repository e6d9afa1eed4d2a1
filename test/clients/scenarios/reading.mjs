/** Clients that choose what they read: by offset, by time, by id, by key. */
import { acknowledgedIn } from '../judge.mjs'
import { expect, expectSame } from '../world.mjs'

const QUEUES = 2
const QUEUE = 1
const COUNT = 50
const PULL_MAX = 32
const BATCH = 10
/** So that messages before it and after it differ in time, of which brokers keep milliseconds. */
const APART_MS = 20

export const reading = [
  {
    name: 'a pull consumer reads from any offset, and is told where the queue begins and ends',
    needs: ['sync', 'queue', 'pull'],
    short: ['java 5', 'go'],
    async run(world) {
      const { topic, client, at } = await filledQueue(world)
      await client.run({ do: 'pullConsumer', as: 'r', group: world.group(), topic })
      const pull = (offset, more) => client.run({ do: 'pull', as: 'r', ...at, offset, ...more })

      const all = await pull(0)
      expectSame([all.status, all.next, all.min, all.max], ['FOUND', PULL_MAX, 0, COUNT], 'the first pull')
      const acknowledged = [...acknowledgedIn(client.journal, topic).values()]
      expectSame(
        all.messages.map(({ id }) => id),
        acknowledged.slice(0, PULL_MAX).map(({ id }) => id),
        'its messages'
      )
      expect(
        all.messages.every(({ intact, queueOffset }, index) => intact && queueOffset === index),
        'whole and in order'
      )
      const some = await pull(COUNT - 3, { max: BATCH })
      expectSame(
        some.messages.map(({ queueOffset }) => queueOffset),
        [COUNT - 3, COUNT - 2, COUNT - 1],
        'the last ones'
      )
      const end = await pull(COUNT)
      expectSame([end.status, end.next], ['NO_NEW_MSG', COUNT], 'at the end')
      const beyond = await pull(COUNT + 100)
      expectSame([beyond.status, beyond.next], ['OFFSET_ILLEGAL', COUNT], 'beyond the end')
    }
  },
  {
    name: 'a waiting pull is answered when a message comes',
    needs: ['sync', 'queue', 'pull', 'offsets'],
    short: ['java 5'],
    async run(world) {
      const { topic, client, at } = await filledQueue(world)
      await client.run({ do: 'pullConsumer', as: 'r', group: world.group(), topic })
      const waiting = client.run({ do: 'pull', as: 'r', ...at, offset: COUNT, waits: true })
      await client.run({ do: 'send', as: 'p', mode: 'queue', ...at, from: COUNT })
      const { status, messages } = await waiting
      expectSame([status, messages.map(({ id }) => id)], ['FOUND', [COUNT]], 'the pull that waited')
    }
  },
  {
    name: 'offsets are found by time, and kept where they are put',
    needs: ['sync', 'queue', 'pull', 'offsets'],
    short: ['java 5'],
    async run(world) {
      const { topic, client, at } = await filledQueue(world)
      await world.pause(APART_MS)
      const between = Date.now()
      await world.pause(APART_MS)
      await client.run({ do: 'send', as: 'p', mode: 'queue', ...at, from: COUNT, count: COUNT })
      await client.run({ do: 'pullConsumer', as: 'r', group: world.group(), topic })
      const offsets = async timestamp => {
        const all = await client.run({ do: 'offsets', as: 'r', topic, timestamp })
        return all.find(({ queueId }) => queueId === QUEUE)
      }
      const { min, max, at: found, earliestStoredMs } = await offsets(between)
      expectSame([min, max, found], [0, 2 * COUNT, COUNT], 'first, end, and the first after the pause')
      expect(earliestStoredMs > 0 && earliestStoredMs < between, `the earliest was stored at ${earliestStoredMs}`)
      expectSame((await offsets(0)).at, 0, 'before all')
      expectSame((await offsets(Date.now() + 60_000)).at, 2 * COUNT, 'after all')

      await client.run({ do: 'updateOffset', as: 'r', ...at, offset: 7 })
      // The client tells the broker one-way.
      await world.until(
        async () => (await client.run({ do: 'fetchOffset', as: 'r', ...at })) === 7,
        'the broker keeps 7'
      )
      await client.run({ do: 'updateOffset', as: 'r', ...at, offset: 3 })
      await world.until(
        async () => (await client.run({ do: 'fetchOffset', as: 'r', ...at })) === 3,
        'and 3, which is less'
      )
    }
  },
  {
    name: 'messages are found by id and by key',
    needs: ['sync', 'batch', 'view', 'key'],
    short: ['java'],
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'found')
      const client = world.client(target)
      await client.run({ do: 'producer', as: 'p' })
      const tags = ['red', 'blue']
      await client.run({ do: 'send', as: 'p', topic, count: COUNT, keys: true, tags })
      await client.run({ do: 'send', as: 'p', topic, mode: 'batch', from: COUNT, count: BATCH, keys: true })
      for (const sent of client.events('sent').filter(({ id }) => id % 7 === 0)) {
        const { id, queueId, queueOffset, uniqueId, offsetId } = sent
        // What dispatchers index comes a moment after the acknowledgement; an id that says where it lies is good at once.
        const place = [id, queueId, queueOffset, uniqueId, true]
        const placeOf = found => [found.id, found.queueId, found.queueOffset, found.uniqueId, found.intact]
        expectSame(placeOf(await client.run({ do: 'view', as: 'p', topic, id: offsetId })), place, 'by the place')
        await world.until(() => isFound(client, { do: 'view', as: 'p', topic, id: uniqueId }), `${uniqueId} is indexed`)
        expectSame(placeOf(await client.run({ do: 'view', as: 'p', topic, id: uniqueId })), place, 'by its own id')
        const byKey = await client.run({ do: 'queryKey', as: 'p', topic, key: `key-${id}` })
        expectSame(byKey.map(placeOf), [place], 'by its key')
      }
      const inBatch = `key-${COUNT + BATCH - 1}`
      await world.until(() => isFound(client, { do: 'queryKey', as: 'p', topic, key: inBatch }), 'the batch is indexed')
      const [last] = await client.run({ do: 'queryKey', as: 'p', topic, key: inBatch })
      expectSame([last.id, last.intact], [COUNT + BATCH - 1, true], 'the last of a batch, by its key')
      expect(!(await isFound(client, { do: 'queryKey', as: 'p', topic, key: 'no-such' })), 'a key that nobody has')
    }
  },
  {
    name: 'a lite pull consumer that subscribed polls everything, commits, and goes on where it was',
    needs: ['sync', 'lite pull'],
    short: ['java 5'],
    async run(world) {
      const { topic, client } = await filledTopic(world)
      const group = world.group()
      await client.run({ do: 'litePull', as: 'l', group, topic })
      expectSame(await pollAll(world, client, 'l', COUNT), idsUntil(COUNT), 'everything is polled')
      await client.run({ do: 'commit', as: 'l' })
      const committed = await client.run({ do: 'committed', as: 'l', topic })
      expectSame(
        Object.values(committed).reduce((sum, offset) => sum + offset, 0),
        COUNT,
        'everything is committed'
      )
      await client.run({ do: 'stop', as: 'l' })

      await client.run({ do: 'send', as: 'p', topic, from: COUNT, count: COUNT })
      const again = world.client(await world.target())
      await again.run({ do: 'litePull', as: 'l', group, topic })
      const rest = Array.from({ length: COUNT }, (_, index) => COUNT + index)
      expectSame(await pollAll(world, again, 'l', COUNT), rest, 'only the rest is polled')
    }
  },
  {
    name: 'a lite pull consumer reads assigned queues, and again from where it seeks to',
    needs: ['sync', 'lite pull'],
    short: ['java 4'],
    async run(world) {
      const { topic, client } = await filledTopic(world)
      await client.run({ do: 'litePull', as: 'a', group: world.group(), topic, assign: true })
      expectSame(await pollAll(world, client, 'a', COUNT), idsUntil(COUNT), 'everything is polled')
      await client.run({ do: 'seek', as: 'a', topic, to: 'begin' })
      expectSame(await pollAll(world, client, 'a', COUNT), idsUntil(COUNT), 'from the beginning once more')
      await client.run({ do: 'seek', as: 'a', topic, to: 'end' })
      await client.run({ do: 'send', as: 'p', topic, from: COUNT, count: 4 })
      const added = [COUNT, COUNT + 1, COUNT + 2, COUNT + 3]
      expectSame(await pollAll(world, client, 'a', added.length), added, 'from the end only what came then')
      await client.run({ do: 'seek', as: 'a', topic, queueId: QUEUE, to: '3' })
      const ofQueue = [...acknowledgedIn(client.journal, topic).values()].filter(
        ({ queueId, queueOffset }) => queueId === QUEUE && queueOffset >= 3
      )
      const wanted = ofQueue.map(({ id }) => id).sort((one, other) => one - other)
      expectSame(await pollAll(world, client, 'a', wanted.length), wanted, 'one queue from its fourth message on')
      const far = client.run({ do: 'seek', as: 'a', topic, queueId: QUEUE, to: '1000' })
      expect(
        await far.then(
          () => false,
          () => true
        ),
        'there is no seeking beyond the end'
      )
    }
  }
]

async function filledTopic(world) {
  const target = await world.target()
  const topic = await world.topic(target, 'read', { queues: QUEUES })
  const client = world.client(target)
  await client.run({ do: 'producer', as: 'p' })
  await client.run({ do: 'send', as: 'p', topic, count: COUNT })
  return { topic, client }
}

async function filledQueue(world) {
  const target = await world.target()
  const topic = await world.topic(target, 'read', { queues: QUEUES })
  const at = { topic, broker: target.brokerName, queueId: QUEUE }
  const client = world.client(target)
  await client.run({ do: 'producer', as: 'p' })
  await client.run({ do: 'send', as: 'p', mode: 'queue', ...at, count: COUNT })
  return { topic, client, at }
}

/** The client throws where the broker finds nothing. */
async function isFound(client, query) {
  try {
    const found = await client.run(query)
    return Array.isArray(found) ? found.length > 0 : true
  } catch (error) {
    // It says so in these words, whichever way it asked.
    if (/NO_MESSAGE|CODE: 208|CODE: 22|query message|no message/i.test(error.answer)) return false
    throw error
  }
}

/** Numbers of the messages, in order, once so many have come. */
async function pollAll(world, client, as, count) {
  const ids = []
  await world.until(
    async () => {
      const messages = await client.run({ do: 'poll', as })
      expect(
        messages.every(({ intact }) => intact),
        'bodies are whole'
      )
      ids.push(...messages.map(({ id }) => id))
      return ids.length >= count
    },
    () => `${ids.length} of ${count} are polled`
  )
  return ids.sort((one, other) => one - other)
}

function idsUntil(count) {
  return Array.from({ length: count }, (_, id) => id)
}
