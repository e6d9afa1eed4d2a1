/**
 * Order under changes: three consumers in order of messages with many sharding keys, and of a queue that all messages share,
 * that join, leave and are killed at random while messages are sent, as is the broker once. What they write down proves
 * afterwards that
 *
 * - no two of them had a message of one queue in hand at the same time,
 * - no member saw a key go backwards as long as it had its queue, and nothing of a key was skipped,
 * - what came again came to another member than before, and nothing new came before it.
 */
import { acknowledgedIn, consumedIn } from '../judge.mjs'
import { queueComplaints } from '../order-judge.mjs'
import { expect } from '../world.mjs'

const QUEUES = 6
/** Of keys, two share a queue: the key of a message is the rest of its number. */
const KEYS = 2 * QUEUES
const MEMBERS = 3
const CHANGES = 7
/** A kill costs a minute, in which its queues wait for the locks to end: once is enough here. */
const KILL_AT = 1
/** The broker itself is killed and started again: who holds which queue must outlast that. */
const RESTART_AT = 4
const BETWEEN_MS = { least: 2500, more: 4000 }
/** Of a killed member's locks, on top of everything else. */
const LOCKED_MS_MAX = 150_000
const SEND_MS = { keys: 8, global: 40 }

export const order = [
  {
    name: 'three orderly consumers join, leave and are killed at random under load, and no key ever goes backwards',
    needs: ['sync', 'push', 'orderly', 'selector', 'gives back locks'],
    async run(world) {
      const target = await world.ownTarget()
      const keyed = await world.topic(target, 'keyed', { queues: QUEUES })
      const global = await world.topic(target, 'global', { queues: 1 })
      const random = seeded(Number(process.env.VARVE_SEED ?? Date.now() % 1_000_000))
      const plan = [`seed ${random.seed}`]
      const members = new Members(world, target, [keyed, global])
      const producer = world.client(target, 'producer')
      await producer.run({ do: 'producer', as: 'p' })
      for (let i = 0; i < MEMBERS; i++) await members.join()
      const loads = [load(producer, keyed, SEND_MS.keys), load(producer, global, SEND_MS.global)]
      await world.until(() => members.all.every(member => hasHandled(member, keyed)), 'all have queues')
      for (let change = 0; change < CHANGES; change++) {
        plan.push(change === RESTART_AT ? await restart(target) : await members.change(random, change))
        await world.pause(BETWEEN_MS.least + random.below(BETWEEN_MS.more))
      }
      if (members.alive.length === 0) plan.push(await members.join())
      for (const { stop } of loads) stop()
      await Promise.all(loads.map(({ done }) => done))
      try {
        for (const topic of [keyed, global]) {
          const sent = acknowledgedIn(producer.journal, topic)
          expect(sent.size > 200, `messages are sent: ${sent.size}`)
          const missing = () => {
            const handled = new Set(handledIn(members.all, topic))
            return [...sent.keys()].filter(id => !handled.has(id))
          }
          await world.until(
            () => missing().length === 0,
            () => `not handled: ${missing().slice(0, 10)}`,
            LOCKED_MS_MAX
          )
          world.judge({
            topic,
            producers: [producer],
            consumers: members.all.map(({ client }) => client),
            repeats: 'some',
            // What was on its way when the broker died may be there although nobody was told so.
            mayArrive: () => true
          })
          const wrong = queueComplaints({
            members: members.journals(topic),
            sent,
            keyOf: topic === global ? () => 0 : id => id % KEYS
          })
          if (wrong.length > 0) throw new Error(wrong.join('\n'))
        }
      } catch (error) {
        throw new Error(`${error.message}\n${plan.join('\n')}`, { cause: error })
      }
    }
  }
]

async function restart(target) {
  await target.kill()
  await target.start()
  return 'the broker is killed and started'
}

const hasHandled = ({ client }, topic) => consumedIn(client.journal, topic).length > 0

function handledIn(members, topic) {
  return members.flatMap(({ client }) =>
    client.journal.filter(line => line.event === 'handled' && line.topic === topic).map(({ id }) => id)
  )
}

/** Consumers of both topics, in processes of their own; those that are gone stay in the list, for what they wrote. */
class Members {
  #world
  #target
  #topics
  all = []

  constructor(world, target, topics) {
    this.#world = world
    this.#target = target
    this.#topics = topics
  }

  get alive() {
    return this.all.filter(({ endedUs }) => endedUs === undefined)
  }

  async join() {
    const name = `m${this.all.length}`
    const client = this.#world.client(this.#target, name)
    const member = { name, client, endedUs: undefined }
    this.all.push(member)
    for (const [i, topic] of this.#topics.entries()) {
      const group = this.#world.group(`order-${i}`)
      const listen = { do: 'push', as: `${name}-${i}`, group, topic, orderly: true, handled: true, takesMs: 2 }
      await client.run(listen)
    }
    return `${name} joins`
  }

  /** One comes or one goes; there is always one left. */
  async change(random, number) {
    const { alive } = this
    const isKilled = number === KILL_AT && alive.length > 1
    const joins = alive.length < 2 || (alive.length < MEMBERS && random.below(2) === 0)
    if (joins && !isKilled) return await this.join()
    const member = alive[random.below(alive.length)]
    await (isKilled ? member.client.kill() : member.client.stop())
    member.endedUs = Date.now() * 1000
    return `${member.name} ${isKilled ? 'is killed' : 'leaves'}`
  }

  /** What each wrote about a topic. */
  journals(topic) {
    return this.all.map(({ name, client, endedUs }) => ({
      name,
      endedUs,
      lines: client.journal.filter(
        line => line.topic === topic && (line.event === 'consumed' || line.event === 'handled')
      )
    }))
  }
}

/** Sends one message after another until it is stopped. */
function load(producer, topic, everyMs) {
  let isOver = false
  const run = async () => {
    for (let from = 0; !isOver; from += KEYS) {
      await producer.run({ do: 'send', as: 'p', topic, mode: 'selector', from, count: KEYS, everyMs })
    }
  }
  const done = run()
  // Awaited later; until then a failure must not count as one that nobody handles.
  done.catch(() => undefined)
  return {
    done,
    stop() {
      isOver = true
    }
  }
}

/** Numbers that follow from a seed. */
function seeded(seed) {
  let state = seed >>> 0
  return {
    seed,
    below(limit) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
  }
}
