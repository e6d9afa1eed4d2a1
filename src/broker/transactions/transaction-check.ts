/**
 * Check of transactions: who has not said what becomes of a half message is asked, again and again, until the message is
 * given up.
 *
 * Before its producer is asked a half message is stored again, with one more check on its count: the queue does not wait
 * for it, and the count outlasts a crash. Half messages are gone through in the order of their queue; the first one that
 * is too young ends the pass, for those behind it are younger.
 *
 * Not here: what the answer does (transactions.ts), the wire (server).
 */
import { type Clock, hourMs, type Log } from '../../base/index.ts'
import { decodeProperties, encodeProperties } from '../../layout/index.ts'
import type { Appended, HostAddress } from '../../model/index.ts'
import type { RecordViews, Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'
import type { ClientRegistry } from '../clients.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { Member } from '../consumer-group.ts'
import { CHECK_LIMIT_TOPIC } from '../system-topics.ts'
import { topicConfig } from '../topic-config.ts'
import type { TopicTable } from '../topics.ts'
import { bodyChecksumOf, questionOf } from './check-question.ts'
import { isCommitted, tracesOf } from './commit-search.ts'
import { HALF_QUEUE } from './half-kind.ts'
import type { HalfLedger } from './half-ledger.ts'
import { CHECK_TIMES_PROPERTY, FIRST_OFFSET_PROPERTY, HalfMessage } from './half-message.ts'
import type { TransactionCounts } from './transaction-counts.ts'

export interface TransactionCheckWorld {
  readonly store: Pick<Store, 'readViews' | 'minOffset' | 'messagesByKey'>
  readonly appending: Pick<Appending, 'append'>
  readonly topics: Pick<TopicTable, 'ensure'>
  readonly clients: Pick<ClientRegistry, 'producers'>
  readonly ledger: HalfLedger
  readonly counts: TransactionCounts
  readonly config: Pick<BrokerConfig, 'brokerName' | 'transactionTimeOut' | 'transactionCheckMax' | 'fileReservedTime'>
  readonly storeHost: HostAddress
  readonly clock: Clock
  readonly log: Log
}

/** What a pass does with one half message. */
type Verdict = 'too young' | 'ask' | 'put off' | 'give up'

/** At once: a turn of the event loop stays short. */
const READ_COUNT = 32

export class TransactionCheck {
  readonly #world: TransactionCheckWorld
  readonly #half: HalfMessage
  /** Producers of a group take turns. */
  #turn = 0
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(world: TransactionCheckWorld) {
    this.#world = world
    this.#half = new HalfMessage(world.storeHost)
  }

  /** One pass; while one is under way, that one. */
  run(): Promise<void> {
    this.#running ??= this.#pass().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  close(): void {
    this.#isClosed = true
  }

  async #pass(): Promise<void> {
    const { ledger, log } = this.#world
    ledger.advance()
    try {
      // What is stored from here on, copies among it, is for the next pass.
      const until = ledger.end
      let offset: number | undefined = ledger.states.nextPending(ledger.states.base, until)
      while (offset !== undefined && offset < until && !this.#isClosed) {
        offset = await this.#passSome(offset, until)
        offset &&= ledger.states.nextPending(offset, until)
      }
    } catch (error) {
      // The store takes nothing for the moment, or never again: the next pass tries.
      log.warn('check of transactions broken off', { error: error as Error })
    } finally {
      // Before anything else can happen: that a copy stands for another must be known after a crash.
      ledger.operations.writeIfRoom()
      ledger.advance()
    }
  }

  /** Returns where the pass goes on; undefined if it has come to what is too young. */
  async #passSome(offset: number, until: number): Promise<number | undefined> {
    const { store, ledger, log } = this.#world
    const countMax = Math.min(READ_COUNT, until - offset)
    let views = await store.readViews({ ...HALF_QUEUE, offset, countMax })
    if (await this.#searchInherited(views)) views = await store.readViews({ ...HALF_QUEUE, offset, countMax })
    for (const error of views.damaged) log.error('record of a transaction cannot be read', { error })
    for (let i = 0; i < views.count; i++) {
      const at = views.offset + i
      if (!ledger.states.isPending(at)) continue
      const record = views.bytes[i] as Uint8Array // Below count.
      if (!this.#half.take(record)) ledger.close(at)
      else if (!this.#treat(at, record)) return undefined
    }
    ledger.operations.writeIfRoom()
    return Math.max(views.nextOffset, offset + 1)
  }

  /** What was committed just before the broker died is closed. True if there was anything to search for. */
  async #searchInherited(views: RecordViews): Promise<boolean> {
    const { store, ledger, counts } = this.#world
    const searched: { at: number; topic: string; traces: ReturnType<typeof tracesOf> }[] = []
    for (let i = 0; i < views.count; i++) {
      const at = views.offset + i
      if (!ledger.inherited.has(at) || !this.#half.take(views.bytes[i] as Uint8Array)) continue // Below count.
      searched.push({ at, topic: this.#half.due.message.topic, traces: tracesOf(this.#half) })
    }
    for (const { at, topic, traces } of searched) {
      const wasCommitted = await isCommitted(store, traces)
      // Meanwhile its producer may have decided it.
      if (!ledger.inherited.delete(at) || !wasCommitted) continue
      ledger.close(at)
      counts.ended(topic, 'committed')
    }
    return searched.length > 0
  }

  /** False if it is too young. */
  #treat(offset: number, record: Uint8Array): boolean {
    switch (this.#verdict()) {
      case 'too young':
        return false
      case 'give up':
        this.#giveUp(offset)
        return true
      case 'put off':
        this.#replace(offset, this.#half.checkTimes)
        return true
      case 'ask':
        this.#ask(offset, record)
        return true
    }
  }

  #verdict(): Verdict {
    const { config, clock } = this.#world
    const half = this.#half
    const nowMs = clock.nowMs()
    const isCopy = half.firstOffset !== undefined || half.checkTimes > 0
    // Clocks of producers may be wrong: where the message stands for the first time, it was born when it was stored.
    const bornAtMs = isCopy ? half.due.message.bornAtMs : Math.min(half.due.message.bornAtMs, half.storedAtMs)
    const reservedMs = config.fileReservedTime * hourMs
    const sinceMs = isCopy ? bornAtMs : half.storedAtMs
    if (half.checkTimes >= config.transactionCheckMax || nowMs - sinceMs > reservedMs) return 'give up'
    const immunityMs = half.immunityMs(config.transactionTimeOut)
    if (immunityMs !== undefined) {
      const ageMs = nowMs - bornAtMs
      return ageMs < immunityMs && half.checkTimes === 0 ? 'put off' : 'ask'
    }
    const isYoung = !isCopy && nowMs - half.storedAtMs < config.transactionTimeOut
    return isYoung ? 'too young' : 'ask'
  }

  #ask(offset: number, record: Uint8Array): void {
    const { clients, counts, config, clock, log } = this.#world
    const half = this.#half
    const { message } = half.due
    const { producerGroup, uniqueKey } = half
    const checkTimes = half.checkTimes + 1
    const { appended, properties } = this.#replace(offset, checkTimes)
    const { topic } = message
    const member = this.#choose(clients.producers(producerGroup))
    if (member === undefined) {
      counts.of(topic).unasked++
      log.warn('nobody to ask about a transaction', { producerGroup, topic, uniqueKey, checkTimes })
      return
    }
    counts.of(topic).checked++
    member.link.askTransaction(
      questionOf({
        brokerName: config.brokerName,
        message: { ...message, properties },
        halfOffset: appended.queueOffset,
        physicalOffset: appended.physicalOffset,
        storedAtMs: clock.nowMs(),
        bodyChecksum: bodyChecksumOf(new DataView(record.buffer, record.byteOffset, record.length), 0),
        uniqueKey
      })
    )
  }

  /** Any that is connected; each has its turn. */
  #choose(members: readonly Member[]): Member | undefined {
    const open = members.filter(({ link }) => link.isOpen)
    return open[this.#turn++ % open.length]
  }

  /** Stores the half message again, behind all others. */
  #replace(offset: number, checkTimes: number): { appended: Appended; properties: Uint8Array } {
    const { appending, ledger } = this.#world
    const { message } = this.#half.due
    const properties = encodeProperties(
      Object.entries({
        ...decodeProperties(message.properties, 0, message.properties.length),
        [FIRST_OFFSET_PROPERTY]: String(this.#half.firstOffset ?? offset),
        ...(checkTimes > 0 ? { [CHECK_TIMES_PROPERTY]: String(checkTimes) } : {})
      })
    )
    const appended = appending.append({ ...message, ...HALF_QUEUE, properties })
    ledger.replace(offset, appended.queueOffset)
    return { appended, properties }
  }

  #giveUp(offset: number): void {
    const { appending, topics, ledger, counts, log } = this.#world
    const { message } = this.#half.due
    const { topic } = message
    topics.ensure(topicConfig(CHECK_LIMIT_TOPIC, { readQueueCount: 1, writeQueueCount: 1 }))
    appending.append({ ...message, topic: CHECK_LIMIT_TOPIC, queueId: 0 })
    ledger.close(offset)
    counts.ended(topic, 'discarded')
    log.error('transaction given up', {
      topic,
      producerGroup: this.#half.producerGroup,
      uniqueKey: this.#half.uniqueKey,
      checkTimes: this.#half.checkTimes,
      nowIn: CHECK_LIMIT_TOPIC
    })
  }
}
