/** A producer that waits for the reply to its message, and a consumer that replies: in time, too late, or to nobody. */
import { consumedIn } from '../judge.mjs'
import { expect, expectSame } from '../world.mjs'

const COUNT = 20
const TIMEOUT_MS = 2000
const LATE_MS = 4500

export const requests = [
  {
    name: 'requests are answered, each with its own reply, over many at once and one by one',
    needs: ['requests'],
    short: ['java 4'],
    async run(world) {
      const { topic, requester } = await start(world, {})
      await requester.run({ do: 'request', as: 'p', topic, count: COUNT, timeoutMs: 10_000 })
      await requester.run({
        do: 'request',
        as: 'p',
        topic,
        mode: 'async',
        from: COUNT,
        count: COUNT,
        timeoutMs: 10_000
      })
      expectAnswered(requester, 0, 2 * COUNT)
      expectSame(requester.events('unanswered').length, 0, 'unanswered')
    }
  },
  {
    name: 'a reply that is late or whose requester is gone is told to who replies, and later ones arrive',
    needs: ['requests'],
    async run(world) {
      const repliesAfterMs = [0, LATE_MS, LATE_MS, LATE_MS, 0] // By number.
      const { target, topic, requester, replier } = await start(world, { repliesAfterMs })
      await requester.run({ do: 'request', as: 'p', topic, timeoutMs: 20_000 })
      expectAnswered(requester, 0, 1)
      for (const [id, mode] of [
        [1, 'sync'],
        [2, 'async']
      ]) {
        await requester.run({ do: 'request', as: 'p', topic, mode, from: id, timeoutMs: TIMEOUT_MS })
        const [line] = requester.events('unanswered').filter(one => one.id === id)
        expect(/timeout|timed out/i.test(line?.error), `request ${id} runs out of time: ${line?.error}`)
      }
      await world.until(
        () => replier.events('replied').length === 3,
        () => `late replies are taken: ${JSON.stringify([replier.events('replied'), replier.events('unreplied')])}`
      )
      expectSame(requester.events('answered').length, 1, 'answers, without those that came too late')

      const leaving = world.client(target, 'leaving')
      await leaving.run({ do: 'producer', as: 'p' })
      leaving.run({ do: 'request', as: 'p', topic, from: 3, timeoutMs: 60_000 }).catch(() => undefined)
      await world.until(() => consumedIn(replier.journal, topic).some(({ id }) => id === 3), 'the request arrives')
      await leaving.kill()
      await world.until(() => replier.events('unreplied').length === 1, 'who replies is told that nobody waits')

      await requester.run({ do: 'request', as: 'p', topic, from: 4, timeoutMs: 20_000 })
      expectAnswered(requester, 4, 1)
    }
  }
]

async function start(world, { repliesAfterMs = [] }) {
  const target = await world.target()
  const topic = await world.topic(target, 'asked')
  const [requester, replier] = [world.client(target), world.client(target)]
  await replier.run({ do: 'producer', as: 'r' })
  await replier.run({ do: 'push', as: 'c', group: world.group(), topic, replyBy: 'r', repliesAfterMs })
  await requester.run({ do: 'producer', as: 'p' })
  return { target, topic, requester, replier }
}

function expectAnswered(requester, from, count) {
  const answers = requester.events('answered').filter(({ id }) => id >= from && id < from + count)
  expectSame(
    answers.map(({ id }) => id).sort((one, other) => one - other),
    Array.from({ length: count }, (_, i) => from + i),
    'answered'
  )
  for (const { id, reply } of answers) expectSame([reply.id, reply.intact, reply.bytes], [id, true, 32], 'the reply')
}
