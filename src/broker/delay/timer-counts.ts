/**
 * Counts of timed messages by the topic that they go to: how many wait, have been taken in and have left. Those that wait are
 * kept in `config/timermetrics` as Apache RocketMQ keeps them; it is a statistic, and nothing depends on it.
 */
import { join } from 'node:path'
import type { Clock } from '../../base/index.ts'
import { printJavaJson } from '../../layout/index.ts'
import { ConfigFile, readConfigFile } from '../config-file.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from '../data-version.ts'
import { integerOf, objectOf } from '../json-fields.ts'
import type { TableSurroundings } from '../topics.ts'

export interface TopicCounts {
  waiting: number
  taken: number
  left: number
  changedAtMs: number
}

export type CountsWorld = Pick<TableSurroundings, 'directory' | 'files' | 'save' | 'clock' | 'log'>

export class TimerCounts {
  readonly #clock: Clock
  readonly #topics = new Map<string, TopicCounts>()
  readonly #file: ConfigFile
  #version: DataVersion
  #last: { readonly topic: string; readonly counts: TopicCounts } | undefined

  /** @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log }: CountsWorld) {
    this.#clock = clock
    this.#version = firstVersion(clock)
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'timermetrics'),
      save,
      print: () => new TextEncoder().encode(this.text()),
      onFailure: error => log.error('counts of timed messages not saved', { error: error as Error })
    })
    const content = objectOf(readConfigFile(files, this.#file.path)?.json)
    for (const [topic, counts] of Object.entries(objectOf(content?.timingCount) ?? {})) {
      const { count, timeStamp } = objectOf(counts) ?? {}
      const waiting = integerOf(count, 0)
      this.#topics.set(topic, { waiting, taken: 0, left: 0, changedAtMs: integerOf(timeStamp, 0) })
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }

  taken(topic: string, atMs: number): void {
    const counts = this.#of(topic)
    counts.waiting++
    counts.taken++
    counts.changedAtMs = atMs
    this.#file.changed()
  }

  /** It was delivered, taken back or lost, or goes round. */
  left(topic: string, atMs: number): void {
    const counts = this.#of(topic)
    if (counts.waiting > 0) counts.waiting--
    counts.left++
    counts.changedAtMs = atMs
    this.#file.changed()
  }

  all(): Iterable<[topic: string, counts: Readonly<TopicCounts>]> {
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
    if (this.#file.isSaved) return
    this.#version = nextVersion(this.#version, this.#clock)
    this.#file.saveSoon()
  }

  saved(): Promise<void> {
    return this.#file.saved()
  }

  #of(topic: string): TopicCounts {
    if (this.#last?.topic === topic) return this.#last.counts
    let counts = this.#topics.get(topic)
    if (counts === undefined) {
      counts = { waiting: 0, taken: 0, left: 0, changedAtMs: 0 }
      this.#topics.set(topic, counts)
    }
    this.#last = { topic, counts }
    return counts
  }
}
