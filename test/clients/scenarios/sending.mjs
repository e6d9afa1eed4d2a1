/** Sending in each mode that a client has, and consuming what was sent. */
import { expect } from '../world.mjs'

const EACH = 40
const QUEUES = 4
/** More than that clients compress. */
const LARGE_BYTES = 20_000

export const sending = [
  {
    name: 'what is sent in every mode arrives once, as it was sent',
    needs: ['sync', 'push'],
    short: 'all',
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'modes', { queues: QUEUES })
      const client = world.client(target)
      await client.run({ do: 'producer', as: 'p' })
      await client.run({ do: 'push', as: 'c', group: world.group(), topic })
      const modes = [
        { mode: 'sync' },
        { mode: 'sync', bytes: LARGE_BYTES },
        ...['async', 'oneway', 'batch', 'selector'].filter(mode => world.can(mode)).map(mode => ({ mode })),
        ...(world.can('queue') ? [{ mode: 'queue', broker: target.brokerName, queueId: 2 }] : [])
      ]
      for (const [index, mode] of modes.entries())
        await client.run({ do: 'send', as: 'p', topic, from: index * EACH, count: EACH, ...mode })

      const all = modes.length * EACH
      await world.untilConsumed([client], topic, all)
      // One-way sends have no answer; they must arrive all the same, because nothing failed.
      const thrown = new Set(client.events('thrown').map(({ id }) => id))
      expect(thrown.size === (world.can('oneway') ? EACH : 0), `${thrown.size} were sent one-way`)
      const { acknowledged, consumed } = world.judge({
        topic,
        producers: [client],
        consumers: [client],
        mayArrive: id => id < all
      })
      expect(acknowledged.size + thrown.size === all, `${acknowledged.size} were acknowledged`)
      expectModes(modes, { acknowledged, consumed })
    }
  }
]

function expectModes(modes, { acknowledged, consumed }) {
  for (const [index, { mode, bytes, queueId }] of modes.entries()) {
    const isOfMode = ({ id }) => Math.floor(id / EACH) === index
    const places = [...acknowledged.values()].filter(isOfMode)
    if (bytes !== undefined)
      expect(
        consumed.filter(isOfMode).every(line => line.bytes === bytes),
        `bodies of ${bytes} B keep their size`
      )
    if (queueId !== undefined)
      expect(
        places.every(place => place.queueId === queueId),
        `queue ${queueId} was named for all`
      )
    if (mode === 'selector')
      expect(
        places.every(place => place.queueId === place.id % QUEUES),
        'the number selects the queue'
      )
  }
}
