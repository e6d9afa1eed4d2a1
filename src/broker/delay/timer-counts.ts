/**
 * Counts of timed messages by the topic that they go to: how many wait, have been taken in and have left, and for how long they
 * were to wait. Those that wait are kept in `config/timermetrics` as Apache RocketMQ keeps them; it is a statistic, and nothing
 * depends on it.
 */
import { join } from 'node:path'
import { type Clock, minuteMs, secondMs, VarveError } from '../../base/index.ts'
import { type JavaJson, printJavaJson } from '../../layout/index.ts'
import { ConfigFile, readConfigFile } from '../config-file.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from '../data-version.ts'
import { integerOf, objectOf } from '../json-fields.ts'
import type { TableSurroundings } from '../topics.ts'

/** Limits of the classes into which waits fall, as RocketMQ 5's exporter has them; the last class has no limit. */
export const WAIT_LIMITS_MS: readonly number[] = [1, 10, 60, 12 * 60, 24 * 60, 72 * 60].map(
  minutes => minutes * minuteMs
)

/** Of the messages that go to one topic. */
export interface TimedCounts {
  waiting: number
  taken: number
  left: number
  changedAtMs: number
  /** How many were to wait for how long, by class; those that go round count once. */
  readonly waits: number[]
  waitsSumMs: number
}

export type CountsWorld = Pick<TableSurroundings, 'directory' | 'files' | 'save' | 'clock' | 'log'>

export class TimerCounts {
  readonly #clock: Clock
  readonly #topics = new Map<string, TimedCounts>()
  readonly #file: ConfigFile
  #version: DataVersion
  /** Of all topics: how many a second came and went between the last two looks. */
  rates: { readonly taken: number; readonly left: number } = { taken: 0, left: 0 }
  #taken = 0
  #left = 0
  #look: { readonly atMs: number; readonly taken: number; readonly left: number }
  #last: { readonly topic: string; readonly counts: TimedCounts } | undefined

  /** Counts from nothing where the file cannot be read: a statistic keeps no broker from starting. */
  constructor({ directory, files, save, clock, log }: CountsWorld) {
    this.#clock = clock
    this.#version = firstVersion(clock)
    this.#look = { atMs: clock.monotonicMs(), taken: 0, left: 0 }
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'timermetrics'),
      save,
      print: () => new TextEncoder().encode(this.text()),
      onFailure: error => log.error('counts of timed messages not saved', { error: error as Error })
    })
    const content = objectOf(this.#readFile(files, log))
    for (const [topic, counts] of Object.entries(objectOf(content?.timingCount) ?? {})) {
      const { count, timeStamp } = objectOf(counts) ?? {}
      const waiting = integerOf(count, 0)
      this.#topics.set(topic, { ...newCounts(), waiting, changedAtMs: integerOf(timeStamp, 0) })
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }

  #readFile(files: CountsWorld['files'], log: CountsWorld['log']): JavaJson | undefined {
    try {
      return readConfigFile(files, this.#file.path)?.json
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== 'CONFIG_FILE_DAMAGED') throw error
      log.warn('counts of timed messages begin anew', { path: this.#file.path, error })
      return undefined
    }
  }

  taken(topic: string, atMs: number): void {
    const counts = this.#of(topic)
    counts.waiting++
    counts.taken++
    this.#taken++
    counts.changedAtMs = atMs
    this.#file.changed()
  }

  /** For so long it is to wait. */
  waits(topic: string, ms: number): void {
    const counts = this.#of(topic)
    const limit = WAIT_LIMITS_MS.findIndex(limitMs => ms <= limitMs)
    const at = limit < 0 ? WAIT_LIMITS_MS.length : limit
    counts.waits[at] = (counts.waits[at] as number) + 1 // There is one more class than limits.
    counts.waitsSumMs += ms
  }

  /** It was delivered, taken back or lost, or goes round. */
  left(topic: string, atMs: number): void {
    const counts = this.#of(topic)
    if (counts.waiting > 0) counts.waiting--
    counts.left++
    this.#left++
    counts.changedAtMs = atMs
    this.#file.changed()
  }

  /** The topic is deleted. */
  forget(topic: string): void {
    if (!this.#topics.delete(topic)) return
    this.#last = undefined
    this.#file.changed()
  }

  all(): Iterable<[topic: string, counts: Readonly<TimedCounts>]> {
    return this.#topics
  }

  /** What the file holds once it is saved; tools ask for it. */
  text(): string {
    const timingCount: Record<string, { count: number; timeStamp: number }> = {}
    for (const [topic, { waiting, changedAtMs }] of this.#topics) {
      if (waiting > 0) timingCount[topic] = { count: waiting, timeStamp: changedAtMs }
    }
    return printJavaJson({ dataVersion: this.#version, timingCount })
  }

  /** For the timer: a failure is logged and the next time tries again. */
  saveSoon(): void {
    this.#lookAtRates()
    if (this.#file.isSaved) return
    this.#version = nextVersion(this.#version, this.#clock)
    this.#file.saveSoon()
  }

  saved(): Promise<void> {
    return this.#file.saved()
  }

  #lookAtRates(): void {
    const look = { atMs: this.#clock.monotonicMs(), taken: this.#taken, left: this.#left }
    const seconds = (look.atMs - this.#look.atMs) / secondMs
    if (seconds > 0) {
      this.rates = { taken: (look.taken - this.#look.taken) / seconds, left: (look.left - this.#look.left) / seconds }
    }
    this.#look = look
  }

  #of(topic: string): TimedCounts {
    if (this.#last?.topic === topic) return this.#last.counts
    let counts = this.#topics.get(topic)
    if (counts === undefined) {
      counts = newCounts()
      this.#topics.set(topic, counts)
    }
    this.#last = { topic, counts }
    return counts
  }
}

const newCounts = (): TimedCounts => ({
  waiting: 0,
  taken: 0,
  left: 0,
  changedAtMs: 0,
  waits: new Array<number>(WAIT_LIMITS_MS.length + 1).fill(0),
  waitsSumMs: 0
})
