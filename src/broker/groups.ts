/**
 * Groups: which consumer groups there are, how each is set up, and which topics are forbidden to it; kept in
 * `config/subscriptionGroup.json`. Saved as topics are (topics.ts).
 *
 * Not here: who is connected (clients.ts), how far each has read (offsets.ts).
 */
import { join } from 'node:path'
import { type Clock, type Log, VarveError } from '../base/index.ts'
import { type JavaJson, printJavaJson } from '../layout/index.ts'
import { attributeChange, changeAttributes, GROUP_ATTRIBUTES } from './attributes.ts'
import { ConfigFile, readConfigFile } from './config-file.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from './data-version.ts'
import { type GroupConfig, groupConfig, groupConfigJson, readGroupConfig } from './group-config.ts'
import { integerOf, objectOf } from './json-fields.ts'
import { NamedTable } from './named-table.ts'
import { checkGroup, isGroup, TOOLS_GROUP } from './names.ts'
import type { TableSurroundings } from './topics.ts'

/** The group under which the broker itself reads transactions. */
export const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'

/** Always there. */
const SYSTEM_GROUPS = [
  TOOLS_GROUP,
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
  TRANSACTION_GROUP
]
const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_'

/** Bit of the mask of a topic: the group may not read it. */
export const FORBIDDEN_READ_BIT = 0

export interface GroupChange {
  readonly type: 'created' | 'updated' | 'deleted'
  readonly group: GroupConfig
}

export class GroupTable {
  readonly #config: BrokerConfig
  readonly #clock: Clock
  readonly #log: Log
  readonly #file: ConfigFile
  readonly #table = new NamedTable<GroupConfig>(groupConfigJson)
  /** By group, then topic: a mask of what is forbidden. */
  readonly #forbidden = new Map<string, Map<string, number>>()
  readonly #listeners: ((change: GroupChange) => void)[] = []
  #version: DataVersion

  /** Reads the file. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log, config }: TableSurroundings) {
    this.#config = config
    this.#clock = clock
    this.#log = log
    this.#version = firstVersion(clock)
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'subscriptionGroup.json'),
      save,
      print: () => new TextEncoder().encode(this.print()),
      onFailure: error => log.error('groups not saved', { path: this.#file.path, error: error as Error })
    })
    for (const name of SYSTEM_GROUPS) this.#table.set(name, groupConfig(name))
    this.#load(readConfigFile(files, this.#file.path)?.json)
  }

  get version(): DataVersion {
    return this.#version
  }

  get count(): number {
    return this.#table.size
  }

  find(name: string): GroupConfig | undefined {
    return this.#table.find(name)
  }

  /** The group, made if it may be; undefined where it may not. For heartbeats, pulls and what is sent back. */
  findOrCreate(name: string): GroupConfig | undefined {
    return this.#table.find(name) ?? (this.#mayCreate(name) ? this.#add(groupConfig(name)) : undefined)
  }

  /** @throws VarveError GROUP_UNKNOWN */
  get(name: string): GroupConfig {
    const found = this.#table.find(name)
    if (found === undefined) throw new VarveError('GROUP_UNKNOWN', { group: name })
    return found
  }

  /** @throws VarveError GROUP_UNKNOWN where it may not be made */
  getOrCreate(name: string): GroupConfig {
    const found = this.findOrCreate(name)
    if (found === undefined) throw new VarveError('GROUP_UNKNOWN', { group: name })
    return found
  }

  /** Sorted. */
  names(): readonly string[] {
    return this.#table.names()
  }

  /** In the order of their names; a part of them for tools that page. */
  all(from?: number, until?: number): Iterable<GroupConfig> {
    return this.#table.items(from, until)
  }

  isSystem(name: string): boolean {
    return SYSTEM_GROUPS.includes(name) || name.startsWith(SYSTEM_GROUP_PREFIX)
  }

  /**
   * What an administrator says: creates the group or sets it up anew. Its `attributes` are changes, as requests carry
   * them: each name with a sign before it (attributes.ts).
   * @throws VarveError GROUP_NAME_INVALID, ATTRIBUTE_INVALID
   */
  update(config: GroupConfig): void {
    this.updateAll([config])
  }

  /** All or none of them. @throws VarveError as `update` */
  updateAll(configs: readonly GroupConfig[]): void {
    for (const group of configs.map(config => this.#checkedUpdate(config))) {
      if (this.#table.find(group.name) === undefined) this.#add(group)
      else this.#put(group)
    }
  }

  /** Stops the group from reading, as when it has fallen too far behind. */
  disable(name: string): void {
    const group = this.#table.find(name)
    if (group?.mayConsume) this.#put({ ...group, mayConsume: false })
  }

  /** False if there was none. Its offsets are not touched. */
  delete(name: string): boolean {
    const group = this.#table.find(name)
    if (group === undefined) return false
    this.#table.delete(name)
    this.#forbidden.delete(name)
    this.#log.info('group deleted', { group: name })
    this.#changed({ type: 'deleted', group })
    return true
  }

  /** The mask of what the group may not do with the topic; 0 as a rule. */
  forbidden(group: string, topic: string): number {
    return this.#forbidden.get(group)?.get(topic) ?? 0
  }

  isForbidden(group: string, topic: string, bit: number): boolean {
    return ((this.forbidden(group, topic) >> bit) & 1) === 1
  }

  setForbidden(options: { group: string; topic: string; bit: number; isForbidden: boolean }): void {
    const { group, topic, bit, isForbidden } = options
    const mask = isForbidden ? this.forbidden(group, topic) | (1 << bit) : this.forbidden(group, topic) & ~(1 << bit)
    if (mask === this.forbidden(group, topic)) return
    const topics = this.#forbidden.get(group) ?? new Map<string, number>()
    if (mask === 0) topics.delete(topic)
    else topics.set(topic, mask)
    if (topics.size === 0) this.#forbidden.delete(group)
    else this.#forbidden.set(group, topics)
    this.#version = nextVersion(this.#version, this.#clock)
    this.#file.changedAndSave()
  }

  onChanged(listener: (change: GroupChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Resolves once every change made so far is on disk. */
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
    const part = (value: unknown) => printJavaJson(value).replaceAll('\n', '\n\t')
    const groups = this.#table.print(1)
    return `{\n\t"dataVersion":${part(this.#version)},\n\t"forbiddenTable":${part(this.forbiddenJson())},\n\t"subscriptionGroupTable":${groups}\n}`
  }

  /** Of these groups, or of all. */
  forbiddenJson(groups: Iterable<string> = this.#forbidden.keys()): Record<string, Record<string, number>> {
    const json: Record<string, Record<string, number>> = {}
    for (const group of groups) {
      const topics = this.#forbidden.get(group)
      if (topics !== undefined) json[group] = Object.fromEntries(topics)
    }
    return json
  }

  #mayCreate(name: string): boolean {
    const { autoCreateSubscriptionGroup, enableCreateSysGroup } = this.#config
    return isGroup(name) && (autoCreateSubscriptionGroup || (enableCreateSysGroup && this.isSystem(name)))
  }

  #checkedUpdate(config: GroupConfig): GroupConfig {
    checkGroup(config.name)
    const changes = Object.entries(config.attributes).map(([key, value]) => attributeChange(key, value))
    const known = this.#table.find(config.name)?.attributes
    return { ...config, attributes: changeAttributes(GROUP_ATTRIBUTES, known, changes) }
  }

  #add(group: GroupConfig): GroupConfig {
    this.#table.set(group.name, group)
    this.#log.info('group created', { group: group.name })
    this.#changed({ type: 'created', group })
    return group
  }

  #put(group: GroupConfig): void {
    this.#table.set(group.name, group)
    this.#log.info('group updated', { group: group.name })
    this.#changed({ type: 'updated', group })
  }

  #changed(change: GroupChange): void {
    this.#version = nextVersion(this.#version, this.#clock)
    this.#file.changedAndSave()
    for (const listener of this.#listeners) listener(change)
  }

  #load(json: JavaJson | undefined): void {
    const content = objectOf(json)
    for (const [name, item] of Object.entries(objectOf(content?.subscriptionGroupTable) ?? {})) {
      const group = readGroupConfig(item, name)
      if (group !== undefined) this.#table.set(group.name, group)
    }
    for (const [group, topics] of Object.entries(objectOf(content?.forbiddenTable) ?? {})) {
      const masks = Object.entries(objectOf(topics) ?? {}).map(([topic, mask]): [string, number] => [
        topic,
        integerOf(mask, 0)
      ])
      const set = masks.filter(([, mask]) => mask > 0)
      if (set.length > 0) this.#forbidden.set(group, new Map(set))
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }
}
