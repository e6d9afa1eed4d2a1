/**
 * Statistics: how much passes through each topic, queue and group, under the names by which RocketMQ's tools ask for them.
 *
 * The send and pull paths ask once for the traffic of a topic or group and keep it; counting a message then builds no
 * text and looks nothing up. `sample` is called every 10 s and touches only what was active within a day. Windows of
 * single queues are of the last minute alone: there may be a hundred thousand of them.
 *
 * Not here: rates of the whole broker (runtime-stats.ts), Prometheus metrics (metrics/).
 */
import type { Clock } from '../base/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import { Flow, type Passed, WINDOWS, type WindowName } from './stats-flow.ts'

export interface StatsWindow {
  readonly sum: number
  /** Per second. */
  readonly tps: number
  /** Per request. */
  readonly avgpt: number
}

export type StatsView = Readonly<Record<WindowName, StatsWindow>>

type Measure = 'messages' | 'bytes' | 'latencyMs'

/** Names of tools: which flow they mean, and what of it. */
const STATS: Readonly<Record<string, { readonly of: string; readonly measure: Measure }>> = {
  TOPIC_PUT_NUMS: { of: 'put', measure: 'messages' },
  TOPIC_PUT_SIZE: { of: 'put', measure: 'bytes' },
  TOPIC_PUT_LATENCY: { of: 'put of queue', measure: 'latencyMs' },
  QUEUE_PUT_NUMS: { of: 'put by queue', measure: 'messages' },
  QUEUE_PUT_SIZE: { of: 'put by queue', measure: 'bytes' },
  GROUP_GET_NUMS: { of: 'get', measure: 'messages' },
  GROUP_GET_SIZE: { of: 'get', measure: 'bytes' },
  GROUP_GET_LATENCY: { of: 'get of queue', measure: 'latencyMs' },
  QUEUE_GET_NUMS: { of: 'get by queue', measure: 'messages' },
  QUEUE_GET_SIZE: { of: 'get by queue', measure: 'bytes' },
  BROKER_PUT_NUMS: { of: 'all puts', measure: 'messages' },
  BROKER_GET_NUMS: { of: 'all gets', measure: 'messages' },
  BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC: { of: 'all puts of users', measure: 'messages' },
  BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC: { of: 'all gets of users', measure: 'messages' },
  SNDBCK_PUT_NUMS: { of: 'event', measure: 'messages' },
  DLQ_PUT_NUMS: { of: 'event', measure: 'messages' },
  GROUP_ACK_NUMS: { of: 'event', measure: 'messages' },
  GROUP_CK_NUMS: { of: 'event', measure: 'messages' },
  BROKER_ACK_NUMS: { of: 'event', measure: 'messages' },
  BROKER_CK_NUMS: { of: 'event', measure: 'messages' }
}

/** What is counted one by one, under its name and key. */
export type EventName =
  | 'SNDBCK_PUT_NUMS'
  | 'DLQ_PUT_NUMS'
  | 'GROUP_ACK_NUMS'
  | 'GROUP_CK_NUMS'
  | 'BROKER_ACK_NUMS'
  | 'BROKER_CK_NUMS'

/** One topic's puts, or one group's gets in one topic. */
export class Traffic {
  readonly flow: Flow
  readonly #totals: readonly Flow[]
  readonly #queues: Flow[] | undefined
  readonly #newQueue: () => Flow

  constructor(
    flow: Flow,
    totals: readonly Flow[],
    { perQueue, newQueue }: { perQueue: boolean; newQueue: () => Flow }
  ) {
    this.flow = flow
    this.#totals = totals
    this.#queues = perQueue ? [] : undefined
    this.#newQueue = newQueue
  }

  /** For each request that moved messages: how many, their bytes, and how long it took. */
  add(queueId: number, messages: number, bytes: number, latencyMs: number): void {
    this.flow.add(messages, bytes, latencyMs)
    for (const total of this.#totals) total.add(messages, bytes, latencyMs)
    if (this.#queues !== undefined) this.#openQueue(this.#queues, queueId).add(messages, bytes, latencyMs)
  }

  queue(queueId: number): Flow | undefined {
    return this.#queues?.[queueId]
  }

  #openQueue(queues: Flow[], queueId: number): Flow {
    const known = queues[queueId]
    if (known !== undefined) return known
    const made = this.#newQueue()
    queues[queueId] = made
    return made
  }
}

const TICKS_PER_HOUR_SAMPLE = WINDOWS.hour.everyMs / WINDOWS.minute.everyMs
const TICKS_PER_DAY_SAMPLE = WINDOWS.day.everyMs / WINDOWS.minute.everyMs

export interface StatsSurroundings {
  readonly clock: Clock
  readonly config: BrokerConfig
  readonly isSystemTopic: (topic: string) => boolean
}

export class BrokerStats {
  readonly allPuts: Flow
  readonly allGets: Flow
  /** Without the broker's own topics. */
  readonly userPuts: Flow
  readonly userGets: Flow
  readonly #surroundings: StatsSurroundings
  readonly #active = new Set<Flow>()
  readonly #puts = new Map<string, Traffic>()
  /** By topic, then group: a topic that is deleted takes its gets along. */
  readonly #gets = new Map<string, Map<string, Traffic>>()
  readonly #events = new Map<string, Flow>()
  #tick = 0

  constructor(surroundings: StatsSurroundings) {
    this.#surroundings = surroundings
    this.allPuts = this.#newFlow()
    this.allGets = this.#newFlow()
    this.userPuts = this.#newFlow()
    this.userGets = this.#newFlow()
  }

  /** To count what is sent to the topic; the same object at each call. */
  puts(topic: string): Traffic {
    const known = this.#puts.get(topic)
    if (known !== undefined) return known
    const made = this.#newTraffic(topic, this.allPuts, this.userPuts)
    this.#puts.set(topic, made)
    return made
  }

  /** To count what the group gets of the topic. */
  gets(topic: string, group: string): Traffic {
    const known = this.#gets.get(topic)?.get(group)
    if (known !== undefined) return known
    const made = this.#newTraffic(topic, this.allGets, this.userGets)
    const groups = this.#gets.get(topic)
    if (groups === undefined) this.#gets.set(topic, new Map([[group, made]]))
    else groups.set(group, made)
    return made
  }

  /** What was sent to each topic since the start. */
  *topicPuts(): Iterable<readonly [topic: string, flow: Flow]> {
    for (const [topic, { flow }] of this.#puts) yield [topic, flow]
  }

  /** What each group got of each topic since the start. */
  *groupGets(): Iterable<readonly [topic: string, group: string, flow: Flow]> {
    for (const [topic, groups] of this.#gets) {
      for (const [group, { flow }] of groups) yield [topic, group, flow]
    }
  }

  /** Something rare: `key` is `topic@group`, or the cluster. */
  count(name: EventName, key: string, messages = 1): void {
    const id = `${name} ${key}`
    const flow = this.#events.get(id) ?? this.#newFlow()
    this.#events.set(id, flow)
    flow.add(messages, 0, 0)
  }

  /** Every 10 s. */
  sample(): void {
    this.#tick++
    const nowMs = this.#surroundings.clock.monotonicMs()
    for (const flow of this.#active) {
      flow.sample('minute', nowMs)
      if (this.#tick % TICKS_PER_HOUR_SAMPLE === 0) flow.sample('hour', nowMs)
      if (this.#tick % TICKS_PER_DAY_SAMPLE === 0) flow.sample('day', nowMs)
      if (!flow.staysActive()) this.#active.delete(flow)
    }
  }

  /** What a tool asks for: a name of RocketMQ and a key. Undefined where nothing was counted under them. */
  view(name: string, key: string): StatsView | undefined {
    const wanted = Object.hasOwn(STATS, name) ? STATS[name] : undefined
    const flow = wanted === undefined ? undefined : this.#find(name, wanted.of, key)
    if (wanted === undefined || flow === undefined) return undefined
    const nowMs = this.#surroundings.clock.monotonicMs()
    const window = (window: WindowName) => windowOf(flow.passed(window, nowMs), wanted.measure)
    return { minute: window('minute'), hour: window('hour'), day: window('day') }
  }

  /** Messages per second that were sent to the topic, over the last minute. */
  putsPerSecond(topic: string): number {
    return this.#perSecond(this.#puts.get(topic)?.flow)
  }

  /** Messages per second that the group got of the topic, over the last minute. */
  getsPerSecond(topic: string, group: string): number {
    return this.#perSecond(this.#gets.get(topic)?.get(group)?.flow)
  }

  removeTopic(topic: string): void {
    this.#puts.delete(topic)
    this.#gets.delete(topic)
  }

  removeGroup(group: string): void {
    for (const groups of this.#gets.values()) groups.delete(group)
  }

  get activeCount(): number {
    return this.#active.size
  }

  #perSecond(flow: Flow | undefined): number {
    if (flow === undefined) return 0
    return windowOf(flow.passed('minute', this.#surroundings.clock.monotonicMs()), 'messages').tps
  }

  #find(name: string, of: string, key: string): Flow | undefined {
    const parts = key.split('@')
    const [first = '', second = '', third = ''] = parts
    switch (of) {
      case 'put':
        return this.#puts.get(key)?.flow
      case 'put of queue':
        return this.#puts.get(second)?.queue(Number(first))
      case 'put by queue':
        return this.#puts.get(first)?.queue(Number(second))
      case 'get':
        return this.#gets.get(first)?.get(second)?.flow
      case 'get of queue':
        return this.#gets.get(second)?.get(third)?.queue(Number(first))
      case 'get by queue':
        return this.#gets.get(first)?.get(third)?.queue(Number(second))
      case 'event':
        return this.#events.get(`${name} ${key}`)
      default:
        return key === this.#surroundings.config.brokerClusterName ? this.#total(of) : undefined
    }
  }

  #total(of: string): Flow {
    switch (of) {
      case 'all puts':
        return this.allPuts
      case 'all gets':
        return this.allGets
      case 'all puts of users':
        return this.userPuts
      default:
        return this.userGets
    }
  }

  #newTraffic(topic: string, all: Flow, users: Flow): Traffic {
    const { config, isSystemTopic } = this.#surroundings
    return new Traffic(this.#newFlow(), isSystemTopic(topic) ? [all] : [all, users], {
      perQueue: config.enableDetailStat,
      newQueue: () => this.#newFlow(['minute'])
    })
  }

  #newFlow(windows?: readonly WindowName[]): Flow {
    return new Flow(flow => {
      flow.activate(this.#surroundings.clock.monotonicMs())
      this.#active.add(flow)
    }, windows)
  }
}

function windowOf(passed: Passed, measure: Measure): StatsWindow {
  const sum = Math.round(passed[measure])
  return {
    sum,
    tps: (sum * 1000) / passed.elapsedMs,
    avgpt: passed.calls === 0 ? 0 : sum / passed.calls
  }
}
