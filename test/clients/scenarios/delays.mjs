/** Messages that are to come later: by levels and by times, and those that are taken back meanwhile. */
import { consumedIn } from '../judge.mjs'
import { expect, expectSame } from '../world.mjs'

const COUNT = 30
/** A machine that is busy with other clients delivers late; what matters here is that nothing comes early. */
const LATE_MS_MAX = 10_000
const LEVEL_MS = [undefined, 1000, 5000]
const RECALLED_AFTER_MS = 4000

export const delays = [
  {
    name: 'messages with a delay level come when it is over, those of one level in their order',
    needs: ['sync', 'push', 'delays'],
    short: ['java 4', 'go'],
    async run(world) {
      const target = await world.target()
      const sent = await sendLater(world, target, [{ level: 1 }, null, { level: 2 }])
      await world.untilConsumed([sent.consumer], sent.topic, COUNT)
      judge(world, sent, id => (id % 3 === 1 ? 0 : LEVEL_MS[id % 3 === 0 ? 1 : 2]))
      for (const kind of [0, 1, 2]) expectInOrder(sent, id => id % 3 === kind)
    }
  },
  {
    name: 'messages that are timed come then, never early, and one that is taken back does not come',
    needs: ['sync', 'push', 'delays'],
    short: ['java 5'],
    async run(world) {
      const target = await world.ownTarget({ recallMessageEnable: true })
      const sent = await sendLater(world, target, [{ seconds: 2 }, { ms: 1500 }, { afterMs: 2500 }])
      let recalled
      if (world.can('recall')) {
        recalled = COUNT
        const { client, topic } = sent
        await client.run({ do: 'send', as: 'p', topic, from: COUNT, delays: [{ afterMs: RECALLED_AFTER_MS }] })
        const [line] = client.events('sent').filter(({ id }) => id === COUNT)
        const id = await client.run({ do: 'recall', as: 'p', topic, handle: line.recallHandle })
        expectSame(id, line.uniqueId, 'what was taken back')
        await world.pause(RECALLED_AFTER_MS + 2000)
      }
      await world.untilConsumed([sent.consumer], sent.topic, COUNT)
      judge(world, sent, id => [2000, 1500, 2400][id % 3], recalled)
    }
  }
]

async function sendLater(world, target, delays) {
  const topic = await world.topic(target, 'later')
  const [client, consumer] = [world.client(target), world.client(target)]
  await consumer.run({ do: 'push', as: 'c', group: world.group(), topic, threads: 1 })
  await client.run({ do: 'producer', as: 'p' })
  await client.run({ do: 'send', as: 'p', topic, count: COUNT, keys: true, tags: ['a', 'b'], delays })
  return { topic, client, consumer }
}

function judge(world, { topic, client, consumer }, delayMs, recalled) {
  world.judge({
    topic,
    producers: [client],
    consumers: [consumer],
    mustArrive: id => id !== recalled,
    offsets: false
  })
  // Apache's broker rounds down to whole seconds.
  const earlyMs = world.kind === 'apache' ? 1000 : 0
  for (const { id, bornAtMs, storedAtMs, tags, keys, reconsumeTimes } of consumedIn(consumer.journal, topic)) {
    const afterMs = storedAtMs - bornAtMs
    expect(afterMs >= delayMs(id) - earlyMs, `${id} comes after ${delayMs(id)} ms, not ${afterMs}`)
    expect(afterMs <= delayMs(id) + LATE_MS_MAX, `${id} comes after ${delayMs(id)} ms, not as late as ${afterMs}`)
    expectSame([tags, keys, reconsumeTimes], [['a', 'b'][id % 2], `key-${id}`, 0], `what ${id} brings`)
  }
}

function expectInOrder({ topic, consumer }, isOfKind) {
  const last = new Map()
  for (const { id, queueId, queueOffset } of consumedIn(consumer.journal, topic)
    .filter(line => isOfKind(line.id))
    .sort((one, other) => one.queueOffset - other.queueOffset)) {
    expect((last.get(queueId) ?? -1) < id, `${id} is at ${queueOffset} of queue ${queueId}, after ${last.get(queueId)}`)
    last.set(queueId, id)
  }
}
