/**
 * Topics: which there are on this broker, and how each is set up; kept in `config/topics.json`.
 *
 * Every change is saved at once, many together (config-file.ts). Whoever acknowledges a creation awaits `saved` first.
 *
 * Invariants:
 * - the topics of the broker itself are always there
 * - the data version moves with every change; listeners hear of each, after the table has it
 *
 * Not here: queues and messages (store), who may send (sending), telling name servers (server/registration.ts).
 */
import { join } from 'node:path'
import { type Clock, type Log, VarveError } from '../base/index.ts'
import { checkTopicName, type JavaJson, printJavaJson } from '../layout/index.ts'
import type { Files } from '../store/index.ts'
import {
  type AttributeChange,
  changeAttributes,
  MESSAGE_TYPE_ATTRIBUTE,
  MESSAGE_TYPE_MIXED,
  TOPIC_ATTRIBUTES
} from './attributes.ts'
import { ConfigFile, readConfigFile, type SaveFile } from './config-file.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from './data-version.ts'
import { objectOf } from './json-fields.ts'
import { NamedTable } from './named-table.ts'
import { checkTopic, isRetryTopic, retryTopicOf, TEMPLATE_TOPIC } from './names.ts'
import { SystemTopicNames, systemTopics } from './system-topics.ts'
import {
  isInherited,
  isSameTopicConfig,
  PERM,
  PERM_MAX,
  PERM_READ_WRITE,
  readTopicConfig,
  TOPIC_SYS_FLAG,
  type TopicConfig,
  topicConfig,
  topicConfigJson
} from './topic-config.ts'

/** As many queues as the store numbers by default. */
const QUEUE_COUNT_MAX = 65_536

/** What every table of the broker is made with. */
export interface TableSurroundings {
  /** The root of the store; tables are kept in `config/` below it. */
  readonly directory: string
  readonly files: Files
  readonly save: SaveFile
  readonly clock: Clock
  readonly log: Log
  readonly config: BrokerConfig
}

export interface TopicChange {
  readonly type: 'created' | 'updated' | 'deleted'
  /** As it is now; of a deleted one, as it was. */
  readonly topic: TopicConfig
}

export interface AutoCreation {
  readonly topic: string
  /** Whose model it follows; clients name TBW102. */
  readonly defaultTopic: string
  /** The most queues that the client wants. */
  readonly queueCountMax: number
  readonly sysFlag: number
}

export class TopicTable {
  readonly #config: BrokerConfig
  readonly #clock: Clock
  readonly #log: Log
  readonly #file: ConfigFile
  readonly #table = new NamedTable<TopicConfig>(topicConfigJson)
  readonly #systemNames: SystemTopicNames
  readonly #listeners: ((change: TopicChange) => void)[] = []
  #version: DataVersion

  /** Reads the file. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log, config }: TableSurroundings) {
    this.#config = config
    this.#clock = clock
    this.#log = log
    this.#version = firstVersion(clock)
    this.#systemNames = new SystemTopicNames(config)
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'topics.json'),
      save,
      print: () => new TextEncoder().encode(this.print()),
      onFailure: error => log.error('topics not saved', { path: this.#file.path, error: error as Error })
    })
    for (const topic of systemTopics(config)) this.#table.set(topic.name, topic)
    this.#load(readConfigFile(files, this.#file.path)?.json)
  }

  get version(): DataVersion {
    return this.#version
  }

  get count(): number {
    return this.#table.size
  }

  find(name: string): TopicConfig | undefined {
    return this.#table.find(name)
  }

  /** @throws VarveError TOPIC_UNKNOWN */
  get(name: string): TopicConfig {
    const found = this.#table.find(name)
    if (found === undefined) throw new VarveError('TOPIC_UNKNOWN', { topic: name })
    return found
  }

  /** Sorted. */
  names(): readonly string[] {
    return this.#table.names()
  }

  /** In the order of their names; a part of them for tools that page. */
  all(from?: number, until?: number): Iterable<TopicConfig> {
    return this.#table.items(from, until)
  }

  /** Whether the name belongs to the broker itself, so that nobody may change or delete it. */
  isSystem(name: string): boolean {
    return this.#systemNames.has(name)
  }

  systemNames(): string[] {
    return this.#systemNames.list()
  }

  /**
   * The topic for a send that names an unknown one: after the model of the default topic, or a retry topic with one queue.
   * @throws VarveError TOPIC_UNKNOWN where neither may be created, TOPIC_NAME_INVALID
   */
  createForSend({ topic, defaultTopic, queueCountMax, sysFlag }: AutoCreation): TopicConfig {
    const known = this.#table.find(topic)
    if (known !== undefined) return known
    checkTopic(topic)
    const model = this.#table.find(defaultTopic)
    if (model !== undefined && this.#isModel(model)) {
      const queueCount = Math.max(0, Math.min(queueCountMax, model.writeQueueCount))
      const { filterType } = model
      return this.#add({
        ...topicConfig(topic, { filterType, sysFlag, perm: model.perm & ~PERM.inherit }),
        readQueueCount: queueCount,
        writeQueueCount: queueCount
      })
    }
    if (isRetryTopic(topic)) return this.#add(topicConfig(topic, { readQueueCount: 1, writeQueueCount: 1, sysFlag }))
    throw new VarveError('TOPIC_UNKNOWN', { topic, defaultTopic })
  }

  /** The topic as it is; as given, if there is none of that name. For topics that the broker makes. */
  ensure(config: TopicConfig): TopicConfig {
    const known = this.#table.find(config.name)
    if (known !== undefined) return known
    checkTopicName(config.name)
    return this.#add(config)
  }

  /** `%RETRY%group`, as each heartbeat of a consumer wants it: ordered if a topic that the group subscribes to is. */
  ensureRetryTopic(options: {
    readonly group: string
    readonly queueCount: number
    readonly isOrdered: boolean
    readonly isUnit: boolean
  }): TopicConfig {
    const { group, queueCount, isOrdered, isUnit } = options
    const name = retryTopicOf(group)
    const known = this.#table.find(name)
    if (known === undefined) {
      const sysFlag = isUnit ? TOPIC_SYS_FLAG.unitSub : 0
      const counts = { readQueueCount: queueCount, writeQueueCount: queueCount }
      return this.#add(topicConfig(name, { ...counts, perm: PERM_READ_WRITE, isOrdered, sysFlag }))
    }
    return known.isOrdered === isOrdered ? known : this.#put({ ...known, isOrdered })
  }

  /**
   * What an administrator says: creates the topic or sets it up anew; its attributes change by `changes` alone. False if
   * that leaves everything as it is.
   * @throws VarveError TOPIC_NAME_INVALID, PARAMETER_INVALID, ATTRIBUTE_INVALID
   */
  update(config: TopicConfig, changes: readonly AttributeChange[] = []): boolean {
    const updated = this.#checkedUpdate(config, changes)
    const known = this.#table.find(config.name)
    if (known !== undefined && isSameTopicConfig(known, updated)) return false
    if (known === undefined) this.#add(updated)
    else this.#put(updated)
    return true
  }

  /** All or none of them. @throws VarveError as `update` */
  updateAll(updates: readonly { readonly config: TopicConfig; readonly changes: readonly AttributeChange[] }[]): void {
    for (const { config, changes } of updates) this.#checkedUpdate(config, changes)
    for (const { config, changes } of updates) this.update(config, changes)
  }

  /** Topics that the name server lists as ordered. */
  markOrdered(names: Iterable<string>): void {
    for (const name of names) {
      const known = this.#table.find(name)
      if (known !== undefined && !known.isOrdered) this.#put({ ...known, isOrdered: true })
    }
  }

  /** False if there was none. Offsets and queues are not touched: see topic-removal.ts. */
  delete(name: string): boolean {
    const topic = this.#table.find(name)
    if (topic === undefined) return false
    this.#table.delete(name)
    this.#log.info('topic deleted', { topic: name })
    this.#changed({ type: 'deleted', topic })
    return true
  }

  onChanged(listener: (change: TopicChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Resolves once every change made so far is on disk. @throws what the disk said, for those who await it */
  saved(): Promise<void> {
    return this.#file.saved()
  }

  /** For the timer: tries again what an earlier save could not. */
  saveSoon(): void {
    if (!this.#file.isSaved) this.#file.saveSoon()
  }

  get isSaved(): boolean {
    return this.#file.isSaved
  }

  /** As the file has it. */
  print(): string {
    const version = printJavaJson(this.#version).replaceAll('\n', '\n\t')
    return `{\n\t"dataVersion":${version},\n\t"topicConfigTable":${this.#table.print(1)}\n}`
  }

  #isModel(model: TopicConfig): boolean {
    return isInherited(model) && (model.name !== TEMPLATE_TOPIC || this.#config.autoCreateTopicEnable)
  }

  #checkedUpdate(config: TopicConfig, changes: readonly AttributeChange[]): TopicConfig {
    const { name, perm, readQueueCount, writeQueueCount } = config
    checkTopic(name)
    if (this.#config.validateSystemTopicWhenUpdateTopic && this.isSystem(name)) {
      throw new VarveError('PARAMETER_INVALID', { topic: name, reason: 'it belongs to the broker itself' })
    }
    checkRange('perm', perm, PERM_MAX)
    checkRange('readQueueNums', readQueueCount, QUEUE_COUNT_MAX)
    checkRange('writeQueueNums', writeQueueCount, QUEUE_COUNT_MAX)
    const attributes = changeAttributes(TOPIC_ATTRIBUTES, this.#table.find(name)?.attributes, changes)
    if (attributes[MESSAGE_TYPE_ATTRIBUTE] === MESSAGE_TYPE_MIXED && !this.#config.enableMixedMessageType) {
      throw new VarveError('PARAMETER_INVALID', {
        topic: name,
        reason: 'message.type MIXED needs enableMixedMessageType'
      })
    }
    return { ...config, attributes }
  }

  #add(topic: TopicConfig): TopicConfig {
    this.#table.set(topic.name, topic)
    this.#log.info('topic created', { topic: topic.name, queues: topic.writeQueueCount, perm: topic.perm })
    this.#changed({ type: 'created', topic })
    return topic
  }

  #put(topic: TopicConfig): TopicConfig {
    this.#table.set(topic.name, topic)
    this.#log.info('topic updated', { topic: topic.name, queues: topic.writeQueueCount, perm: topic.perm })
    this.#changed({ type: 'updated', topic })
    return topic
  }

  #changed(change: TopicChange): void {
    this.#version = nextVersion(this.#version, this.#clock)
    this.#file.changedAndSave()
    for (const listener of this.#listeners) listener(change)
  }

  #load(json: JavaJson | undefined): void {
    const content = objectOf(json)
    for (const [name, item] of Object.entries(objectOf(content?.topicConfigTable) ?? {})) {
      const topic = readTopicConfig(item, name)
      if (topic !== undefined) this.#table.set(topic.name, topic)
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }
}

function checkRange(parameter: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new VarveError('PARAMETER_INVALID', { parameter, value: String(value), range: `0 to ${max}` })
}
