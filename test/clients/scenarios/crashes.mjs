/** The broker is killed while producers send and consumers consume. What was acknowledged must be there afterwards. */
import { acknowledgedIn } from '../judge.mjs'

const SENDING = { count: 1200, everyMs: 4 }
/** Acknowledged before the broker is killed. */
const BEFORE = 250
/** Sent at a time until one is acknowledged after the broker is back. */
const AFTER = 20

export const crashes = ['ASYNC_FLUSH', 'SYNC_FLUSH'].map(flushDiskType => ({
  name: `what was acknowledged under ${flushDiskType} survives a kill of the broker amid sending`,
  needs: ['sync', 'push'],
  short: flushDiskType === 'SYNC_FLUSH' ? ['go'] : ['java 5'],
  async run(world) {
    const target = await world.ownTarget({ flushDiskType })
    const topic = await world.topic(target, 'crashed')
    const [producer, consumer] = [world.client(target), world.client(target)]
    const listen = { do: 'push', as: 'c', group: world.group(), topic }
    await producer.run({ do: 'producer', as: 'p' })
    await consumer.run(listen)
    const acknowledged = () => acknowledgedIn(producer.journal, topic)
    const sending = producer.run({ do: 'send', as: 'p', topic, ...SENDING })
    sending.catch(() => undefined)
    await world.until(
      () => acknowledged().size >= BEFORE,
      () => `${acknowledged().size} are acknowledged`
    )
    await target.kill()
    await target.start()
    await sending
    let next = SENDING.count
    await world.until(async () => {
      await producer.run({ do: 'send', as: 'p', topic, from: next, count: AFTER })
      next += AFTER
      return acknowledged().has(next - 1)
    }, 'the producer goes on when the broker is back')

    const lost = () =>
      [...acknowledged().keys()].filter(id => !consumer.events('consumed').some(line => line.id === id))
    await world.until(
      () => lost().length === 0,
      () => `acknowledged but not consumed: ${lost().slice(0, 10)}`
    )
    // One that was stored when the broker died, and sent again because nobody had said so, is there twice.
    const mayArrive = id => id < next
    world.judge({ topic, producers: [producer], consumers: [consumer], mayArrive, repeats: 'some' })

    // All of it is in the queues, too, for a group that comes later.
    const later = world.client(target)
    await later.run({ ...listen, group: world.group('later') })
    await world.untilConsumed([later], topic, acknowledged().size)
    world.judge({ topic, producers: [producer], consumers: [later], mayArrive, repeats: 'some' })
  }
}))
