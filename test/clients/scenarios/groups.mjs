/** Consumers that share the queues of a topic, and consumers that all get everything. */
import { consumedIn } from '../judge.mjs'
import { expect } from '../world.mjs'

const QUEUES = 6
/** Sent while the group changes, slowly enough that each change falls into it. */
const CHANGING = { count: 900, everyMs: 8 }
const SETTLED = 120
/** Far below the 20 s after which clients look by themselves: they must have been told. */
const TOLD_MS_MAX = 15_000
const BROADCAST = 60

export const groups = [
  {
    name: 'members share the queues while one joins and one is killed, and every message is handled',
    needs: ['sync', 'push'],
    short: ['java 5', 'node'],
    async run(world) {
      const { topic, producer, members, sending } = await startSharing(world, {})
      const third = await join(world, topic, 'third')
      members.push(third)
      await world.until(() => hasHandled(third, topic), 'the one that joined is given queues', TOLD_MS_MAX)
      await members[0].kill()
      await sending
      await world.untilConsumed(members, topic, CHANGING.count)
      world.judge({ topic, producers: [producer], consumers: members, repeats: 'some' })
      await expectSettled(world, { topic, producer, members, left: members.slice(1) })
    }
  },
  {
    name: 'an orderly group keeps the order of each queue while one joins and one leaves',
    needs: ['sync', 'push', 'orderly', 'selector', 'gives back locks'],
    short: ['java 5'],
    async run(world) {
      const { topic, producer, members, sending } = await startSharing(world, { orderly: true })
      const third = await join(world, topic, 'third', { orderly: true })
      members.push(third)
      await world.until(() => hasHandled(third, topic), 'the one that joined is given queues')
      await members[0].stop()
      await sending
      await world.untilConsumed(members, topic, CHANGING.count)
      world.judge({ topic, producers: [producer], consumers: members, repeats: 'some', ordered: true })
      await expectSettled(world, { topic, producer, members, left: members.slice(1), ordered: true })
    }
  },
  {
    name: 'an orderly consumer keeps the order of each queue',
    needs: ['sync', 'push', 'orderly', 'selector'],
    short: ['java 4', 'go'],
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'ordered', { queues: QUEUES })
      const client = world.client(target)
      await client.run({ do: 'producer', as: 'p' })
      const send = from => client.run({ do: 'send', as: 'p', topic, mode: 'selector', from, count: SETTLED })
      await send(0)
      await client.run({ do: 'push', as: 'o', group: world.group(), topic, orderly: true })
      await send(SETTLED)
      await world.untilConsumed([client], topic, 2 * SETTLED)
      world.judge({ topic, producers: [client], consumers: [client], ordered: true })
    }
  },
  {
    name: 'an orderly group takes over the queues of a member that was killed, in order',
    needs: ['sync', 'push', 'orderly', 'selector', 'gives back locks'],
    async run(world) {
      const { topic, producer, members, sending } = await startSharing(world, { orderly: true })
      await members[0].kill()
      await sending
      // Its locks end by themselves only a minute after it last asked for them.
      await world.until(
        () =>
          new Set(members.flatMap(({ journal }) => consumedIn(journal, topic)).map(({ id }) => id)).size >=
          CHANGING.count,
        'the other member has the locks and handles the rest',
        TOLD_MS_MAX + 90_000
      )
      world.judge({ topic, producers: [producer], consumers: members, repeats: 'some', ordered: true })
    }
  },
  {
    name: 'broadcasting gives every member every message',
    needs: ['sync', 'push', 'broadcasting'],
    short: ['java 4', 'go', 'node'],
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'broadcast')
      const members = [world.client(target, 'one'), world.client(target, 'two')]
      const listen = { do: 'push', as: 'b', group: world.group(), topic, broadcasting: true, instance: 'b' }
      for (const member of members) await member.run(listen)
      const [producer] = members
      await producer.run({ do: 'producer', as: 'p' })
      await producer.run({ do: 'send', as: 'p', topic, count: BROADCAST })
      for (const member of members) {
        await world.untilConsumed([member], topic, BROADCAST)
        world.judge({ topic, producers: [producer], consumers: [member] })
      }
      if (world.can('local offsets'))
        await expectLocalOffsets(world, { topic, producer, member: members[1], listen, target })
    }
  }
]

async function startSharing(world, listen) {
  const target = await world.target()
  const topic = await world.topic(target, 'shared', { queues: QUEUES })
  const producer = world.client(target, 'producer')
  await producer.run({ do: 'producer', as: 'p' })
  const members = [await join(world, topic, 'first', listen), await join(world, topic, 'second', listen)]
  const mode = world.can('selector') ? 'selector' : 'sync'
  const sending = producer.run({ do: 'send', as: 'p', topic, mode, ...CHANGING })
  // Awaited later; until then a failure must not count as one that nobody handles.
  sending.catch(() => undefined)
  await world.until(() => members.every(member => hasHandled(member, topic)), 'both members are given queues')
  return { topic, producer, members, sending }
}

async function join(world, topic, name, listen = {}) {
  const member = world.client(await world.target(), name)
  await member.run({ do: 'push', as: name, group: world.group(), topic, ...listen })
  return member
}

function hasHandled({ journal }, topic) {
  return consumedIn(journal, topic).length > 0
}

/** Once nothing changes any more, each message is handled once, and each of those that are left does a part. */
async function expectSettled(world, { topic, producer, members, left, ordered = false }) {
  const since = performance.now()
  const mode = world.can('selector') ? 'selector' : 'sync'
  await producer.run({ do: 'send', as: 'p', topic, mode, from: CHANGING.count, count: SETTLED })
  await world.untilConsumed(members, topic, CHANGING.count + SETTLED)
  const isNew = id => id >= CHANGING.count
  world.judge({
    topic,
    producers: [producer],
    consumers: left,
    since,
    mustArrive: isNew,
    // What was in hand when a queue changed owners may come again a little later.
    mayArrive: () => true,
    repeats: ordered ? 'none' : 'some'
  })
  for (const { journal } of left)
    expect(
      consumedIn(journal, topic).some(({ id }) => isNew(id)),
      'each member that is left handles a part'
    )
}

/** A member of that name that comes back goes on where it stopped. */
async function expectLocalOffsets(world, { topic, producer, member, listen, target }) {
  await world.settle()
  await member.stop()
  await producer.run({ do: 'send', as: 'p', topic, from: BROADCAST, count: BROADCAST })
  const again = world.client(target, 'two')
  await again.run(listen)
  await world.untilConsumed([again], topic, BROADCAST)
  world.judge({ topic, producers: [producer], consumers: [again], mustArrive: id => id >= BROADCAST })
}
