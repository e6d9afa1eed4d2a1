/**
 * Settings that tools keep on a name server for everybody, in namespaces: above all how the queues of ordered topics are
 * spread (`ORDER_TOPIC_CONFIG`). Kept as Apache RocketMQ's `kvConfig.json` holds them.
 *
 * Invariants:
 * - a change is answered after it is saved; one that could not be saved stays in memory and the caller hears of it
 *
 * Not here: where the file is and how it is replaced (`KvStorage`, handed in).
 */
import { VarveError } from '../base/index.ts'
import { membersOf, printBody, textsOf, type WireJson } from './json.ts'

/** Under which the queues of ordered topics stand: `broker-a:4;broker-b:4` by topic. */
export const ORDER_TOPIC_NAMESPACE = 'ORDER_TOPIC_CONFIG'

/** Anybody who reaches the port may put something here, and it must not fill the memory. */
const ITEM_COUNT_MAX = 20_000
const ITEM_LENGTH_MAX = 64 * 1024

export interface KvStorage {
  /** What was saved last, as JSON; undefined if nothing was. Called once, when the server opens. */
  load(): WireJson | undefined
  /** Replaces it durably. */
  save(content: Uint8Array): Promise<void>
}

/** For a name server that is to forget everything when it ends. */
export const forgetfulStorage: KvStorage = { load: () => undefined, save: () => Promise.resolve() }

export class KvConfig {
  readonly #storage: KvStorage
  readonly #namespaces = new Map<string, Map<string, string>>()
  #running: Promise<void> = Promise.resolve()
  /** The save that begins when the running one has ended. */
  #next: Promise<void> | undefined

  constructor(storage: KvStorage) {
    this.#storage = storage
    for (const [namespace, items] of membersOf(membersOf(storage.load()).get('configTable'))) {
      this.#namespaces.set(namespace, new Map(textsOf(items)))
    }
  }

  find(namespace: string, key: string): string | undefined {
    return this.#namespaces.get(namespace)?.get(key)
  }

  /** Undefined if nothing was ever put there. */
  namespace(namespace: string): ReadonlyMap<string, string> | undefined {
    return this.#namespaces.get(namespace)
  }

  /** @throws VarveError PARAMETER_INVALID if there is too much already; whatever the storage throws */
  async put(namespace: string, key: string, value: string): Promise<void> {
    const itemLength = namespace.length + key.length + value.length
    if (itemLength > ITEM_LENGTH_MAX) {
      throw new VarveError('PARAMETER_INVALID', { field: 'value', itemLength, itemLengthMax: ITEM_LENGTH_MAX })
    }
    const items = this.#namespaces.get(namespace) ?? new Map<string, string>()
    if (!items.has(key) && this.#itemCount() >= ITEM_COUNT_MAX) {
      throw new VarveError('PARAMETER_INVALID', { field: 'key', itemCountMax: ITEM_COUNT_MAX })
    }
    this.#namespaces.set(namespace, items.set(key, value))
    return this.#save()
  }

  /** What is not there is no error. */
  async delete(namespace: string, key: string): Promise<void> {
    if (this.#namespaces.get(namespace)?.delete(key)) return this.#save()
  }

  /** One save at a time; what changes while one runs is in the next, which all of them await. */
  #save(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      const saved = this.#storage.save(printBody({ configTable: this.#namespaces }))
      // Who comes next does not inherit a failure: it saves everything anew.
      this.#running = saved.catch(() => undefined)
      return saved
    })
    return this.#next
  }

  #itemCount(): number {
    let count = 0
    for (const items of this.#namespaces.values()) count += items.size
    return count
  }
}
