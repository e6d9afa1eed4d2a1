/**
 * Clock: the wall clock of a running broker jumps by an hour, a day, to 2050 and back, under clients, with restarts and kills
 * in between.
 *
 * Proved: no delayed message comes before its time on the broker's own clock; once the clock has passed it, it comes, soon
 * and without a restart; plain messages are taken and read whatever the clock says; after a kill in the year 2050 a start
 * in the present has everything, and nothing is damaged.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { hourMs, KiB, secondMs, seededRandom } from '../../src/base/index.ts'
import { openStore, type StoredMessage } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { type BrokerChild, startBrokerChild } from './broker-child.ts'
import { createTopics, LATER } from './broker-load.ts'
import { Ledger } from './ledger.ts'
import { messageOf, QUEUES } from './messages.ts'
import { check } from './oracle.ts'
import type { Scenario, Tally } from './scenario.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, Wire } from './wire.ts'
import { drain, placeOf, send, sendFields } from './wire-messages.ts'

const BODY = { bytesMax: 4 * KiB, bytesMin: 1 }
const DAY_MS = 24 * hourMs
const YEAR_2050_MS = Date.UTC(2050, 0, 1)
const COME_MS_MAX = 10_000
const QUIET_MS = 400
const OWN_TOPICS = new Set(QUEUES.map(({ topic }) => topic))

export const clock: Scenario = {
  name: 'clock',
  about: 'the wall clock jumps by an hour, a day, to 2050 and back: delays, reading, recovery',
  cases: { short: 1, medium: 10, long: 100 },
  lanes: 2,
  run: (seed, directory) => moveClock(seed, directory, 0)
}

interface Timed {
  readonly id: number
  readonly dueMs: number
}

class Machine {
  readonly store: string
  readonly ledger: Ledger
  readonly timed: Timed[] = []
  readonly #clockPath: string
  readonly #config: Readonly<Record<string, string>>
  readonly #earlyMs: number
  #aheadMs = 0
  broker!: BrokerChild
  wire!: Wire

  constructor(directory: string, ledger: Ledger, flushDiskType: string, earlyMs: number) {
    this.#earlyMs = earlyMs
    this.store = join(directory, 'store')
    this.ledger = ledger
    this.#clockPath = join(directory, 'clock')
    this.#config = { flushDiskType, timerMaxDelaySec: String(365 * 86_400), fileReservedTime: '1000000' }
    this.setClock(0)
  }

  get nowMs(): number {
    return Date.now() + this.#aheadMs
  }

  setClock(aheadMs: number): void {
    this.#aheadMs = aheadMs
    writeFileSync(this.#clockPath, String(aheadMs))
  }

  async start(): Promise<void> {
    this.broker = await startBrokerChild(this.store, this.#config, { clock: this.#clockPath })
    this.wire = await Wire.open(this.broker.port)
  }

  async end(how: 'stop' | 'kill'): Promise<void> {
    this.wire.close()
    await this.broker[how]()
  }

  /** A few messages for now, and one to be delivered at a moment. */
  async send(count: number, dueMs?: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const id = this.ledger.nextId
      this.ledger.intend(id, 1, id % QUEUES.length, false)
      const answer = await send(this.wire, messageOf(this.ledger.seed, id, id % QUEUES.length, BODY))
      if (answer.code !== ANSWER.success) throw new Violation(`a message is refused: ${answer.code}, ${answer.remark}`)
      this.ledger.appended(id, 1, placeOf(answer))
    }
    if (dueMs === undefined) return
    const id = this.timed.length
    const properties = { TIMER_DELIVER_MS: String(dueMs - this.#earlyMs), UNIQ_KEY: `timed-${id}`, WAIT: 'true' }
    const fields = sendFields({ topic: LATER, queueId: 0, properties })
    const answer = await this.wire.call(CODE.send, fields, Buffer.from(String(id)))
    if (answer.code !== ANSWER.success)
      throw new Violation(`a timed message is refused: ${answer.code}, ${answer.remark}`)
    this.timed.push({ id, dueMs })
  }

  /** Waits until all that are due have come. @throws Violation for one that is early, or does not come */
  async checkTimed(): Promise<void> {
    const untilMs = performance.now() + COME_MS_MAX
    for (;;) {
      const found = new Set<number>()
      for (const message of await drain(this.wire, { topic: LATER, queueId: 0 }, 'readers'))
        found.add(this.#known(message))
      const missing = this.timed.find(({ id, dueMs }) => dueMs <= this.nowMs - secondMs && !found.has(id))
      if (missing === undefined) return
      if (performance.now() > untilMs) {
        throw new Violation(
          `timed message ${missing.id} has been due for ${this.nowMs - missing.dueMs} ms by the clock`
        )
      }
      await pause(QUIET_MS / 8)
    }
  }

  #known({ body, storedAtMs }: StoredMessage): number {
    const id = Number(Buffer.from(body).toString())
    const timed = this.timed[id]
    if (timed === undefined) throw new Violation(`a timed message that nobody sent: ${id}`)
    if (storedAtMs < timed.dueMs) throw new Violation(`timed message ${id} came ${timed.dueMs - storedAtMs} ms early`)
    return id
  }
}

/** `earlyMs`: so much before its time a broker delivers, for a control. */
export async function moveClock(seed: number, directory: string, earlyMs: number): Promise<Tally> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const machine = new Machine(directory, ledger, random.pick(['SYNC_FLUSH', 'ASYNC_FLUSH']), earlyMs)
  const jumps = random.shuffled([hourMs, -hourMs, DAY_MS, -DAY_MS, 0])
  await machine.start()
  try {
    await createTopics(machine.wire)
    let restarts = 0
    for (const aheadMs of [...jumps, YEAR_2050_MS - Date.now(), 0]) {
      machine.setClock(aheadMs)
      const ahead = random.pick([2 * secondMs, hourMs / 2, 30 * hourMs])
      await machine.send(random.between(5, 40), machine.nowMs + ahead)
      await pause(QUIET_MS)
      await machine.checkTimed()
      if (!random.chance(0.4)) continue
      restarts++
      await machine.end(random.pick(['stop', 'kill']))
      await machine.start()
      await machine.checkTimed()
    }
    machine.setClock(YEAR_2050_MS - Date.now())
    await machine.send(20)
    await machine.checkTimed()
    await machine.end('kill')
    machine.setClock(0)
    await machine.start()
    await machine.send(20)
    await machine.end('stop')
    const open = () => openStore({ directory: machine.store, threads: 'none' })
    const isElsewhere = (topic: string): boolean => !OWN_TOPICS.has(topic)
    const place = { directory: machine.store, files: openRealFiles(), open }
    const { found } = await check(place, ledger, { survives: 'appended', kind: 'clean', order: 'queue', isElsewhere })
    return { jumps: jumps.length + 2, restarts: restarts + 1, found, timed: machine.timed.length }
  } finally {
    machine.wire.close()
    machine.broker.signal('SIGKILL')
  }
}
