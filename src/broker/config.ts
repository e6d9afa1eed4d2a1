/**
 * The broker's configuration: layers of properties (defaults, files, environment, command line), resolved into one typed
 * object, each value with its origin, and changed at run time by administrators.
 *
 * An unknown key is an error that names the nearest known one. A key that Apache RocketMQ knows and that has no effect
 * here is accepted and reported as such.
 *
 * Not here: which keys there are (config-keys.ts), where files lie (cli), options of the store (config-store-options.ts).
 */
import { type Clock, VarveError } from '../base/index.ts'
import { IDLE_KEYS, UNSUPPORTED_VALUES } from './config-idle-keys.ts'
import {
  BROKER_KEYS,
  type BrokerConfig,
  type BrokerKey,
  type ConfigKey,
  type ConfigValue,
  isBrokerKey
} from './config-keys.ts'
import { type DataVersion, firstVersion, nextVersion } from './data-version.ts'
import { nearestName } from './nearest-name.ts'
import { parseProperties, printProperties } from './properties-text.ts'

export interface ConfigLayer {
  /** Shown to whoever asks where a value comes from: a path, `command line`, `environment`. */
  readonly origin: string
  readonly properties: Readonly<Record<string, string>>
}

export const DEFAULT_ORIGIN = 'default'
/** Of what an administrator changed while the broker ran. */
export const UPDATE_ORIGIN = 'update'

/** Administrators need not say who they are yet: they can neither open the broker to others nor do away with it. */
const NEVER_UPDATED: ReadonlySet<string> = new Set(['varveInsecure', 'varveBroker'])

export interface ConfigExplanation {
  readonly name: string
  readonly value: string
  readonly origin: string
  readonly default: string
  /** `none here`: Apache RocketMQ has the key, Varve passes it over. */
  readonly effect: ConfigKey['effect'] | 'none here'
  readonly meaning: string
  readonly storeOption: string | undefined
}

/** `broker.conf` as text: Java properties. @throws VarveError CONFIG_INVALID */
export function parseBrokerConf(text: string): Record<string, string> {
  return parseProperties(text)
}

/** Later layers win. @throws VarveError CONFIG_INVALID */
export function resolveConfig(layers: readonly ConfigLayer[], clock: Clock): Configuration {
  return new Configuration(layers, clock)
}

/** A config for tests and embedders: the defaults and what differs from them. */
export function brokerConfig(values: Partial<BrokerConfig> = {}): BrokerConfig {
  return { ...defaults(), ...values }
}

export class Configuration {
  readonly values: BrokerConfig
  readonly #values: Record<BrokerKey, ConfigValue>
  readonly #idle = new Map<string, string>()
  readonly #origins = new Map<string, string>()
  readonly #clock: Clock
  readonly #listeners: ((changed: readonly string[]) => void)[] = []
  readonly #demands: ((values: BrokerConfig) => void)[] = []
  #version: DataVersion

  constructor(layers: readonly ConfigLayer[], clock: Clock) {
    this.#clock = clock
    this.#version = firstVersion(clock)
    this.#values = defaults()
    this.values = this.#values as unknown as BrokerConfig // Every value is checked against its key before it is set.
    for (const { origin, properties } of layers) this.#apply(checkedAll(properties, origin), origin)
  }

  get version(): DataVersion {
    return this.#version
  }

  /** Keys that were set and do nothing here, for a note in the log. */
  idleKeys(): string[] {
    return [...this.#idle.keys()].sort()
  }

  explain(name: string): ConfigExplanation | undefined {
    const origin = this.#origins.get(name) ?? DEFAULT_ORIGIN
    if (isBrokerKey(name)) {
      const key: ConfigKey = BROKER_KEYS[name]
      const { effect, meaning, storeOption } = key
      return {
        name,
        value: String(this.#values[name]),
        origin,
        default: String(key.default),
        effect,
        meaning,
        storeOption
      }
    }
    const otherwise = IDLE_KEYS.get(name)
    if (otherwise === undefined) return undefined
    const value = this.#idle.get(name) ?? otherwise
    return {
      name,
      value,
      origin,
      default: otherwise,
      effect: 'none here',
      meaning: 'known to Apache RocketMQ; no effect here',
      storeOption: undefined
    }
  }

  /** All keys that act, in the order of their themes. */
  explainAll(): ConfigExplanation[] {
    return Object.keys(BROKER_KEYS).map(name => this.explain(name)!)
  }

  /**
   * What all values together must fulfil, beyond what each key says for itself: now, and after each update, so that none
   * can keep the broker from its next start.
   * @throws VarveError what `demand` throws; of CONFIG_INVALID with the origin of the key
   */
  demand(demand: (values: BrokerConfig) => void): void {
    this.#demands.push(demand)
    withOrigin(
      () => demand(this.values),
      key => this.#origins.get(key)
    )
  }

  /**
   * Changes values at run time, all or none. Those whose effect is `at start` act after the next start.
   * @returns the keys whose value is another now
   * @throws VarveError PERMISSION_DENIED for a key on the black list, CONFIG_INVALID, what a demand throws
   */
  update(properties: Readonly<Record<string, string>>): string[] {
    const blackList = new Set(this.values.configBlackList.split(';').map(name => name.trim()))
    for (const name of Object.keys(properties)) {
      if (blackList.has(name))
        throw new VarveError('PERMISSION_DENIED', { key: name, reason: 'it is in configBlackList' })
      if (NEVER_UPDATED.has(name))
        throw new VarveError('PERMISSION_DENIED', { key: name, reason: 'only whoever starts the broker may say so' })
    }
    const checked = checkedAll(properties, UPDATE_ORIGIN)
    const wanted = { ...this.values, ...Object.fromEntries(checked) }
    for (const demand of this.#demands)
      withOrigin(
        () => demand(wanted),
        key => (checked.has(key) ? UPDATE_ORIGIN : this.#origins.get(key))
      )
    const changed = this.#apply(checked, UPDATE_ORIGIN)
    if (changed.length === 0) return changed
    this.#version = nextVersion(this.#version, this.#clock)
    for (const listener of this.#listeners) listener(changed)
    return changed
  }

  onUpdated(listener: (changed: readonly string[]) => void): void {
    this.#listeners.push(listener)
  }

  /** What administrators changed since the start, as properties, for whoever keeps it beyond a restart. */
  updates(): Record<string, string> {
    const names = [...this.#origins].filter(([, origin]) => origin === UPDATE_ORIGIN).map(([name]) => name)
    return Object.fromEntries(names.sort().map(name => [name, this.explain(name)!.value]))
  }

  /** Every key, those that do nothing here included, as tools expect it. */
  print(): string {
    const names = [...Object.keys(BROKER_KEYS), ...IDLE_KEYS.keys()].sort()
    return printProperties(Object.fromEntries(names.map(name => [name, this.explain(name)!.value])))
  }

  #apply(checked: ReadonlyMap<string, ConfigValue>, origin: string): string[] {
    const changed: string[] = []
    for (const [name, value] of checked) {
      this.#origins.set(name, origin)
      if (isBrokerKey(name)) {
        if (this.#values[name] !== value) changed.push(name)
        this.#values[name] = value
      } else {
        if (this.#idle.get(name) !== value) changed.push(name)
        this.#idle.set(name, String(value))
      }
    }
    return changed
  }
}

function defaults(): Record<BrokerKey, ConfigValue> & BrokerConfig {
  const entries = Object.entries(BROKER_KEYS).map(([name, key]) => [name, key.default])
  return Object.fromEntries(entries) as Record<BrokerKey, ConfigValue> & BrokerConfig // One entry for each key.
}

function checkedAll(properties: Readonly<Record<string, string>>, origin: string): Map<string, ConfigValue> {
  return new Map(Object.entries(properties).map(([name, text]) => [name, checked(name, text.trim(), origin)]))
}

function checked(name: string, text: string, origin: string): ConfigValue {
  if (!isBrokerKey(name)) {
    if (UNSUPPORTED_VALUES.get(name)?.test(text)) throw invalid(name, origin, `${text} is not supported here`)
    if (IDLE_KEYS.has(name)) return text
    const nearest = nearestName(name, [...Object.keys(BROKER_KEYS), ...IDLE_KEYS.keys()])
    throw invalid(
      name,
      origin,
      nearest === undefined ? 'there is no such key' : `there is no such key; did you mean ${nearest}?`
    )
  }
  const key: ConfigKey = BROKER_KEYS[name]
  switch (typeof key.default) {
    case 'boolean':
      if (!/^(true|false)$/i.test(text)) throw invalid(name, origin, `true or false, not ${text}`)
      return text.toLowerCase() === 'true'
    case 'number':
      return checkedNumber(name, key, text, origin)
    default:
      if (key.oneOf !== undefined && !key.oneOf.includes(text)) {
        throw invalid(name, origin, `${key.oneOf.join(' or ')}, not ${text}`)
      }
      return text
  }
}

function checkedNumber(name: string, key: ConfigKey, text: string, origin: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = key
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw invalid(name, origin, `an integer from ${min} to ${max}, not ${text}`)
  return value
}

/** Whoever looks at all values does not know where each comes from. */
function withOrigin(check: () => void, originOf: (key: string) => string | undefined): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== 'CONFIG_INVALID') throw error
    const { key, ...more } = error.details
    const origin = originOf(String(key))
    if (origin === undefined) throw error
    throw new VarveError('CONFIG_INVALID', { key: String(key), origin, ...more }, { cause: error })
  }
}

function invalid(key: string, origin: string, reason: string): VarveError {
  return new VarveError('CONFIG_INVALID', { key, origin, reason })
}
