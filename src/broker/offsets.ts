/**
 * Consumer offsets: how far each group has read each queue; kept in `config/consumerOffset.json`.
 *
 * Commits change memory alone and cost one look-up; the file follows every 5 s and at the end. A crash takes groups back
 * to what was saved last, never ahead of what they committed.
 *
 * A lower offset than before is accepted: only clients know whether it is meant. A reset by an administrator stays
 * pending until the group's next pull of the queue; until then commits of the group are passed over.
 *
 * Not here: who asks (server), first offsets of new groups (clients decide), lag (statistics).
 */
import { join } from 'node:path'
import { type Clock, type Log, VarveError } from '../base/index.ts'
import { type JavaJson, printJavaJson } from '../layout/index.ts'
import { ConfigFile, readConfigFile } from './config-file.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from './data-version.ts'
import { integerOf, objectOf } from './json-fields.ts'
import { QueueOffsets, TOPIC_END } from './queue-offsets.ts'
import type { TableSurroundings } from './topics.ts'

/** Printing that many changed entries takes about a millisecond; then others have their turn. */
const PRINTED_PER_TURN = 1000

export interface QueueOfGroup {
  readonly topic: string
  readonly group: string
  readonly queueId: number
}

export class ConsumerOffsets {
  readonly #config: BrokerConfig
  readonly #clock: Clock
  readonly #file: ConfigFile
  readonly #log: Log
  /** By group, then topic. */
  readonly #groups = new Map<string, Map<string, QueueOffsets>>()
  readonly #groupsByTopic = new Map<string, Set<string>>()
  #version: DataVersion
  #commitsSinceVersion = 0

  /** Reads the file. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log, config }: TableSurroundings) {
    this.#config = config
    this.#clock = clock
    this.#log = log
    this.#version = firstVersion(clock)
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'consumerOffset.json'),
      save,
      print: () => this.#printInTurns(),
      onFailure: error => log.error('consumer offsets not saved', { path: this.#file.path, error: error as Error })
    })
    this.#load(readConfigFile(files, this.#file.path)?.json)
  }

  get version(): DataVersion {
    return this.#version
  }

  /** What the group has committed, or where a pending reset sends it; undefined if it never committed. */
  find({ topic, group, queueId }: QueueOfGroup): number | undefined {
    const offsets = this.#find(topic, group)
    if (offsets === undefined) return undefined
    const reset = this.#config.useServerSideResetOffset ? offsets.pendingReset(queueId) : undefined
    return reset ?? offsets.committed(queueId)
  }

  /**
   * Takes the offset in. False if a pending reset makes it void.
   * @throws VarveError PARAMETER_INVALID
   */
  commit({ topic, group, queueId }: QueueOfGroup, offset: number): boolean {
    checkQueueId(queueId)
    checkOffset(offset)
    const offsets = this.#open(topic, group)
    if (this.#config.useServerSideResetOffset && offsets.pendingReset(queueId) !== undefined) return false
    const before = offsets.commit(queueId, offset)
    if (before !== undefined && offset < before) {
      this.#log.warn('consumer offset goes back', { topic, group, queueId, before, offset })
    }
    if (before !== offset) this.#file.changed()
    if (++this.#commitsSinceVersion >= this.#config.consumerOffsetUpdateVersionStep) this.#moveVersion()
    return true
  }

  /** What the group has asked for last; what it has committed, if it has not pulled since the start. */
  findPulled({ topic, group, queueId }: QueueOfGroup): number | undefined {
    return this.#find(topic, group)?.pulled(queueId) ?? this.find({ topic, group, queueId })
  }

  setPulled({ topic, group, queueId }: QueueOfGroup, offset: number): void {
    this.#open(topic, group).setPulled(queueId, offset)
  }

  /** Sets the group's offset, and sends its next pull of the queue there. @throws VarveError PARAMETER_INVALID */
  reset({ topic, group, queueId }: QueueOfGroup, offset: number): void {
    checkQueueId(queueId)
    checkOffset(offset)
    const offsets = this.#open(topic, group)
    if (this.#config.useServerSideResetOffset) offsets.reset(queueId, offset)
    else offsets.commit(queueId, offset)
    this.#file.changed()
    this.#moveVersion()
  }

  hasPendingReset({ topic, group, queueId }: QueueOfGroup): boolean {
    return this.#find(topic, group)?.pendingReset(queueId) !== undefined
  }

  /** Where the pull of this queue has to start anew; the reset is done with that. Undefined as a rule. */
  takeReset({ topic, group, queueId }: QueueOfGroup): number | undefined {
    return this.#find(topic, group)?.takeReset(queueId)
  }

  /** By queue, what the group has committed in the topic. */
  ofTopic(topic: string, group: string): ReadonlyMap<number, number> {
    return this.#find(topic, group)?.allCommitted() ?? new Map()
  }

  /** Topics in which the group has offsets, sorted. */
  topicsOf(group: string): string[] {
    const topics = [...(this.#groups.get(group)?.values() ?? [])].filter(offsets => !offsets.isEmpty)
    return topics.map(({ topic }) => topic).sort()
  }

  /** Groups that have offsets in the topic, sorted. */
  groupsOf(topic: string): string[] {
    return [...(this.#groupsByTopic.get(topic) ?? [])].filter(group => !this.#find(topic, group)!.isEmpty).sort()
  }

  /** The lowest offset of any group in each queue of the topic, without the groups left out; for tools. */
  minimumOf(topic: string, without: ReadonlySet<string> = new Set()): Map<number, number> {
    const minimum = new Map<number, number>()
    for (const group of this.groupsOf(topic)) {
      if (without.has(group)) continue
      for (const [queueId, offset] of this.ofTopic(topic, group)) {
        minimum.set(queueId, Math.min(offset, minimum.get(queueId) ?? offset))
      }
    }
    return minimum
  }

  /** Gives a group the offsets of another: in one topic, or in every topic of the other. */
  clone({ from, to, topic }: { readonly from: string; readonly to: string; readonly topic?: string }): void {
    for (const name of topic === undefined ? this.topicsOf(from) : [topic]) {
      const source = this.#find(name, from)
      if (source === undefined || source.isEmpty) continue
      const target = this.#open(name, to)
      for (const [queueId, offset] of source.allCommitted()) target.commit(queueId, offset)
      this.#file.changed()
    }
    this.#moveVersion()
  }

  removeTopic(topic: string): void {
    for (const group of this.#groupsByTopic.get(topic) ?? []) {
      const topics = this.#groups.get(group)
      topics?.delete(topic)
      if (topics?.size === 0) this.#groups.delete(group)
    }
    if (this.#groupsByTopic.delete(topic)) this.#file.changed()
  }

  removeGroup(group: string): void {
    for (const topic of this.#groups.get(group)?.keys() ?? []) {
      const groups = this.#groupsByTopic.get(topic)
      groups?.delete(group)
      if (groups?.size === 0) this.#groupsByTopic.delete(topic)
    }
    if (this.#groups.delete(group)) this.#file.changed()
  }

  /** Saves what has changed. Every 5 s, and awaited at the end. */
  saved(): Promise<void> {
    return this.#file.saved()
  }

  /** The same, for the timer: a failure is logged and the next time tries again. */
  saveSoon(): void {
    if (!this.#file.isSaved) this.#file.saveSoon()
  }

  get isSaved(): boolean {
    return this.#file.isSaved
  }

  /** By `topic@group`, then queue; for slaves. */
  json(): Record<string, Record<string, number>> {
    const table: Record<string, Record<string, number>> = {}
    for (const offsets of this.#all()) {
      table[offsets.key] = Object.fromEntries(offsets.allCommitted())
    }
    return table
  }

  #find(topic: string, group: string): QueueOffsets | undefined {
    return this.#groups.get(group)?.get(topic)
  }

  #open(topic: string, group: string): QueueOffsets {
    const known = this.#find(topic, group)
    if (known !== undefined) return known
    const made = new QueueOffsets(topic, group)
    const topics = this.#groups.get(group)
    if (topics === undefined) this.#groups.set(group, new Map([[topic, made]]))
    else topics.set(topic, made)
    const groups = this.#groupsByTopic.get(topic)
    if (groups === undefined) this.#groupsByTopic.set(topic, new Set([group]))
    else groups.add(group)
    return made
  }

  *#all(): Iterable<QueueOffsets> {
    for (const topics of this.#groups.values()) {
      for (const offsets of topics.values()) if (!offsets.isEmpty) yield offsets
    }
  }

  #moveVersion(): void {
    this.#commitsSinceVersion = 0
    this.#version = nextVersion(this.#version, this.#clock)
  }

  /**
   * The file's content. Entries are printed some at a time, so that eighty thousand queues do not stop the broker: each
   * is as it was at some moment of the printing, and none ahead of what was committed.
   */
  async #printInTurns(): Promise<Uint8Array> {
    let printedCount = 0
    const entries = [...this.#all()]
    for (const offsets of entries) {
      if (offsets.hasText) continue
      offsets.text()
      if (++printedCount % PRINTED_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve))
    }
    const members = entries.map(offsets => offsets.text())
    const version = printJavaJson(this.#version).replaceAll('\n', '\n\t')
    const table = members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n\t}`
    return new TextEncoder().encode(`{\n\t"dataVersion":${version},\n\t"offsetTable":${table}\n}`)
  }

  #load(json: JavaJson | undefined): void {
    const content = objectOf(json)
    for (const [key, queues] of Object.entries(objectOf(content?.offsetTable) ?? {})) {
      const end = key.indexOf(TOPIC_END)
      if (end <= 0 || end === key.length - 1) continue
      for (const [queueId, offset] of Object.entries(objectOf(queues) ?? {})) {
        const id = Number(queueId)
        if (!Number.isInteger(id) || id < 0) continue
        this.#open(key.slice(0, end), key.slice(end + 1)).commit(id, integerOf(offset, 0))
      }
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }
}

function checkQueueId(queueId: number): void {
  if (Number.isInteger(queueId) && queueId >= 0) return
  throw new VarveError('PARAMETER_INVALID', { parameter: 'queueId', value: String(queueId), range: 'from 0' })
}

function checkOffset(offset: number): void {
  if (Number.isSafeInteger(offset)) return
  throw new VarveError('PARAMETER_INVALID', {
    parameter: 'offset',
    value: String(offset),
    range: 'an integer below 2^53'
  })
}
