/**
 * Consumer group, as far as its members are connected: who they are and what the group subscribes to.
 *
 * All members share one set of subscriptions, the newest of each topic; the last heartbeat decides which topics are in
 * it. That is RocketMQ's rule: members must subscribe alike.
 *
 * Not here: the group's settings (groups.ts), who tells whom of changes (clients.ts).
 */
import type { ClientLink } from './client-link.ts'
import type { ConsumerOfClient } from './heartbeat.ts'
import type { Subscription } from './subscription.ts'

/** One connection of a client within one group. */
export interface Member {
  readonly clientId: string
  readonly language: string
  readonly version: number
  readonly link: ClientLink
  /** Of its last heartbeat; for people to read. */
  readonly seenAtMs: number
  /** The same by the monotonic clock, by which silence is measured. */
  readonly heardAtMs: number
}

export class ConsumerGroup {
  readonly name: string
  readonly #members = new Map<object, Member>()
  readonly #subscriptions = new Map<string, Subscription>()
  consumeType: string
  messageModel: string
  consumeFromWhere: string
  /** Of the last heartbeat that named one; 0 for the first form of heartbeats. */
  fingerprint: number | undefined

  constructor({ group, consumeType, messageModel, consumeFromWhere }: ConsumerOfClient) {
    this.name = group
    this.consumeType = consumeType
    this.messageModel = messageModel
    this.consumeFromWhere = consumeFromWhere
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  get memberCount(): number {
    return this.#members.size
  }

  members(): Iterable<Member> {
    return this.#members.values()
  }

  memberOf(link: ClientLink): Member | undefined {
    return this.#members.get(link.key)
  }

  /** The member with this client id; of several, the one that came first. */
  memberById(clientId: string): Member | undefined {
    for (const member of this.#members.values()) if (member.clientId === clientId) return member
    return undefined
  }

  subscription(topic: string): Subscription | undefined {
    return this.#subscriptions.get(topic)
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.values()
  }

  /** True if the connection is a new one. */
  join(member: Member, { consumeType, messageModel, consumeFromWhere }: ConsumerOfClient): boolean {
    this.consumeType = consumeType
    this.messageModel = messageModel
    this.consumeFromWhere = consumeFromWhere
    const isNew = !this.#members.has(member.link.key)
    this.#members.set(member.link.key, member)
    return isNew
  }

  /** False if it was no member. */
  leave(link: ClientLink): boolean {
    return this.#members.delete(link.key)
  }

  /** Topics that came and went; one whose subscription is only newer is neither. */
  subscribe(wanted: readonly Subscription[]): { readonly added: string[]; readonly removed: string[] } {
    const added: string[] = []
    const topics = new Set<string>()
    for (const subscription of wanted) {
      const { topic } = subscription
      const known = this.#subscriptions.get(topic)
      if (known === undefined) added.push(topic)
      if (known === undefined || subscription.version > known.version) this.#subscriptions.set(topic, subscription)
      topics.add(topic)
    }
    const removed = [...this.#subscriptions.keys()].filter(topic => !topics.has(topic))
    for (const topic of removed) this.#subscriptions.delete(topic)
    return { added, removed }
  }
}
