/**
 * Order under changes, with members that do as clients of RocketMQ do, and a broker that is killed in between: whatever
 * happens, no two members hold one queue, and nothing of a queue is skipped or goes backwards while a member holds it.
 *
 * Members know of each other what they happen to have heard, as after a restart of the broker, when not all are back.
 */
import { describe, expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/index.ts'
import { type BrokerOnDisk, openBrokerOnDisk } from '../support/broker-on-disk.ts'
import { draft } from '../support/data-path.ts'

const GROUP = 'in-order'
const TOPIC = 'orders'
const QUEUE_IDS = [0, 1, 2, 3]
const MEMBERS_MAX = 3
/** A client takes its lock for lost when it has not been renewed for so long, and asks so often. */
const BELIEVED_MS = 30_000
const RENEW_MS = 20_000

interface Held {
  /** From a lock that was free to its end: a queue that comes back to who had it begins where the broker knows. */
  readonly tenure: number
  lockedAtMs: number
  offset: number
}

class Member {
  readonly held = new Map<number, Held>()
  readonly name: string
  renewedAtMs = 0

  constructor(name: string) {
    this.name = name
  }

  holds(queueId: number, nowMs: number): boolean {
    const held = this.held.get(queueId)
    return held !== undefined && nowMs - held.lockedAtMs < BELIEVED_MS
  }
}

class Play {
  members: Member[] = []
  readonly handled: { tenure: number; queueId: number; offset: number }[] = []
  readonly #random: Random
  #place: BrokerOnDisk
  #joined = 0
  #tenures = 0

  constructor(place: BrokerOnDisk, random: Random) {
    this.#place = place
    this.#random = random
  }

  get place(): BrokerOnDisk {
    return this.#place
  }

  join(): void {
    if (this.members.length < MEMBERS_MAX) this.members.push(new Member(`m${this.#joined++}`))
  }

  send(): void {
    this.#place.broker.sending.send(draft(`m${this.#random.below(1000)}`, { queueId: this.#one(QUEUE_IDS) }))
  }

  /** Gives away what is not its share, and asks for what is. */
  async share(member: Member): Promise<void> {
    const known = this.members.filter(other => other === member || this.#random.below(3) > 0)
    const index = known.indexOf(member)
    const mine = QUEUE_IDS.filter(queueId => queueId % known.length === index)
    for (const queueId of [...member.held.keys()].filter(queueId => !mine.includes(queueId))) {
      this.#giveBack(member, queueId)
    }
    await this.#lock(member, mine)
  }

  async renew(member: Member): Promise<void> {
    await this.#lock(member, [...member.held.keys()])
  }

  async handle(member: Member): Promise<void> {
    const { clock, store } = this.#place
    for (const [queueId, held] of member.held) {
      if (!member.holds(queueId, clock.monotonicMs())) continue
      const { messages } = await store.read({ topic: TOPIC, queueId, offset: held.offset, countMax: 1 })
      if (messages.length === 0) continue
      const others = this.members.filter(other => other !== member && other.holds(queueId, clock.monotonicMs()))
      expect(others.map(({ name }) => `${name} holds ${queueId}, and so does ${member.name}`)).toEqual([])
      this.handled.push({ tenure: held.tenure, queueId, offset: held.offset++ })
    }
  }

  persist(member: Member): void {
    for (const [queueId, { offset }] of member.held) this.#commit(queueId, offset)
  }

  leave(member: Member): void {
    for (const queueId of member.held.keys()) this.#giveBack(member, queueId)
    this.members = this.members.filter(other => other !== member)
  }

  kill(member: Member): void {
    this.members = this.members.filter(other => other !== member)
  }

  /** What it has on disk is all that the next one knows. */
  async killBroker(): Promise<void> {
    const { disk, clock } = this.#place
    this.#place = await openBrokerOnDisk({ disk: disk.kill(), clock })
  }

  async #lock(member: Member, queueIds: readonly number[]): Promise<void> {
    const { broker, clock } = this.#place
    const queues = queueIds.map(queueId => ({ brokerName: 'broker-a', topic: TOPIC, queueId }))
    const granted = broker.locks.lock(GROUP, member.name, queues)
    await broker.locks.saved() // Before the answer goes out.
    for (const { queueId } of granted) {
      const held = member.held.get(queueId)
      if (held !== undefined) held.lockedAtMs = clock.monotonicMs()
      else {
        const offset = broker.offsets.find({ topic: TOPIC, queueId, group: GROUP }) ?? 0
        member.held.set(queueId, { tenure: this.#tenures++, lockedAtMs: clock.monotonicMs(), offset })
      }
    }
    for (const queueId of queueIds) if (!granted.some(one => one.queueId === queueId)) member.held.delete(queueId)
  }

  #giveBack(member: Member, queueId: number): void {
    const { broker } = this.#place
    this.#commit(queueId, member.held.get(queueId)?.offset ?? 0)
    broker.locks.unlock(GROUP, member.name, [{ brokerName: 'broker-a', topic: TOPIC, queueId }])
    member.held.delete(queueId)
  }

  #commit(queueId: number, offset: number): void {
    this.#place.broker.offsets.commit({ topic: TOPIC, queueId, group: GROUP }, offset)
  }

  #one<Value>(values: readonly Value[]): Value {
    return values[this.#random.below(values.length)] as Value // There is one.
  }
}

describe('members of a group in order', () => {
  test.each(Array.from({ length: 12 }, (_, i) => i + 1))('never hold one queue at once (seed %i)', async seed => {
    const random = seededRandom(seed)
    const play = new Play(await openBrokerOnDisk(), random)
    play.join()
    for (let step = 0; step < 600; step++) {
      play.place.clock.advance(random.below(2500))
      play.send()
      const member = play.members[random.below(MEMBERS_MAX)]
      const roll = random.below(100)
      if (roll === 0) await play.killBroker()
      else if (roll < 5) play.join()
      else if (member === undefined) continue
      else if (roll < 7) play.leave(member)
      else if (roll < 9) play.kill(member)
      else if (roll < 20) await play.share(member)
      else if (roll < 30) play.persist(member)
      else await play.handle(member)
      for (const one of play.members) {
        if (play.place.clock.monotonicMs() - one.renewedAtMs < RENEW_MS) continue
        one.renewedAtMs = play.place.clock.monotonicMs()
        await play.renew(one)
      }
    }
    expect(play.handled.length).toBeGreaterThan(100)
    for (const queueId of QUEUE_IDS) {
      let reached = -1
      let last: { readonly tenure: number; readonly offset: number } | undefined
      for (const turn of play.handled.filter(one => one.queueId === queueId)) {
        expect(turn.offset).toBeLessThanOrEqual(reached + 1)
        if (last?.tenure === turn.tenure) expect(turn.offset).toBe(last.offset + 1)
        reached = Math.max(reached, turn.offset)
        last = turn
      }
    }
    await play.place.broker.close()
    await play.place.store.close()
  })
})
