/**
 * What a scenario is given: servers, client processes of one flavour, topics of its own, and a way to wait and to judge.
 * Whatever it starts here is stopped when it is over, also when it failed.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { acknowledgedIn, complaints, consumedIn } from './judge.mjs'
import { TARGETS } from './targets.mjs'
import { createTopic, untilRouted } from './topics.mjs'
import { pause, until } from './waiting.mjs'

const SETTLE_MS = 1000

export class World {
  #kind
  #flavour
  #home
  #shared
  #undo = []
  #clientCount = 0
  /** In names of topics and groups, which no other scenario uses. */
  label

  /** @param {{ kind: 'varve' | 'apache', flavour?: object, home: string, label: string, shared: () => Promise<object> }} given */
  constructor({ kind, flavour, home, label, shared }) {
    this.#kind = kind
    this.#flavour = flavour
    this.#home = home
    this.#shared = shared
    this.label = label
  }

  get kind() {
    return this.#kind
  }

  can(ability) {
    return this.#flavour.abilities.has(ability)
  }

  /** A folder of its own. */
  home(name) {
    const path = join(this.#home, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** The target that scenarios share, which nobody may stop. */
  target() {
    return this.#shared()
  }

  /** One that this scenario may stop and kill. */
  async ownTarget(settings) {
    const target = await TARGETS[this.#kind]({ home: this.home('target'), settings })
    this.atEnd(() => target.close())
    return target
  }

  async topic(target, name = 'topic', options = {}) {
    const topic = `${this.label}-${name}`
    await createTopic({ nameServer: target.nameServer, brokers: [target.broker] }, topic, options)
    return topic
  }

  /** Until clients can find a topic that the broker has made by itself. */
  untilRouted({ nameServer }, topic) {
    return untilRouted(nameServer, topic)
  }

  group(name = 'group') {
    return `${this.label}-${name}`
  }

  /** A process of the flavour at hand; `as` gives it a home that it shares with later ones of that name. */
  client({ nameServer }, as = `client-${this.#clientCount}`) {
    this.#clientCount++
    const client = this.#flavour.start({ home: this.home(as), nameServer })
    this.atEnd(() => client.kill())
    return client
  }

  atEnd(undo) {
    this.#undo.push(undo)
  }

  /** Until consumers have got so many messages of a topic, counting each once. */
  async untilConsumed(clients, topic, count, by) {
    const distinct = () =>
      new Set(clients.flatMap(({ journal }) => consumedIn(journal, topic, by)).map(({ id }) => id)).size
    await until(
      () => distinct() >= count,
      () => `${distinct()} of ${count} messages of ${topic} are consumed${unsentIn(clients)}`
    )
  }

  until(holds, what, msMax) {
    return until(holds, what, msMax)
  }

  /** A message stands in the journal before its listener has returned; only then does the client count it as consumed. */
  settle() {
    return pause(SETTLE_MS)
  }

  pause(ms) {
    return pause(ms)
  }

  /** Everything that producers were acknowledged against everything that consumers got, in the order of events. */
  judge({ topic, producers, consumers, by, since = 0, ...rules }) {
    const acknowledged = new Map(producers.flatMap(({ journal }) => [...acknowledgedIn(journal, topic)]))
    const consumed = consumers
      .flatMap(({ journal }) => consumedIn(journal, topic, by))
      .filter(({ atMs }) => atMs >= since)
      .sort((one, other) => one.atMs - other.atMs)
    const wrong = complaints({ acknowledged, consumed, ...rules })
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
    return { acknowledged, consumed }
  }

  /** Undoes everything, the latest first. */
  async end() {
    for (const undo of this.#undo.reverse()) await undo()
    this.#undo = []
  }
}

/** What was never sent cannot be consumed: where a scenario waits in vain, that is the first thing to know. */
function unsentIn(clients) {
  const unsent = clients.flatMap(client => client.events('unsent'))
  return unsent.length === 0 ? '' : `; ${unsent.length} were not sent, the first for: ${unsent[0].error}`
}

/** Says what was found where something else was meant to be. */
export function expectSame(found, wanted, what) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (one !== other) throw new Error(`${what}: ${one}, not ${other}`)
}

export function expect(holds, what) {
  if (!holds) throw new Error(what)
}
