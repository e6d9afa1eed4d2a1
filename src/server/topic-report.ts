/**
 * What a broker tells name servers about its topics: all of them, or those that have changed.
 *
 * The whole report is made once for each state of the topics, however many name servers get it and however often: ten
 * thousand topics are some megabytes of JSON, which the thread that serves clients must not print every half minute.
 */
import { type DataVersion, isSameVersion, type TopicConfig, type TopicTable, topicConfigJson } from '../broker/index.ts'

const PERM_READ_WRITE = 6

export interface TopicReport {
  readonly body: Uint8Array
  readonly version: DataVersion
}

export class TopicReports {
  readonly #topics: TopicTable
  readonly #permission: () => number
  #whole: TopicReport | undefined
  #toldPermission: number
  #permissionChanges = 0

  /** @param permission of the whole broker; where it forbids reading or writing, it narrows that of each topic */
  constructor(topics: TopicTable, permission: () => number) {
    this.#topics = topics
    this.#permission = permission
    this.#toldPermission = permission()
  }

  /**
   * Of the topics as they are told: a name server takes topics over only with a version that it has not seen, so the
   * version moves with the permission of the broker, too.
   */
  get version(): DataVersion {
    const permission = this.#permission()
    if (permission !== this.#toldPermission) this.#permissionChanges++
    this.#toldPermission = permission
    const { stateVersion, timestamp, counter } = this.#topics.version
    return { stateVersion, timestamp, counter: counter + this.#permissionChanges }
  }

  whole(): TopicReport {
    if (this.#whole === undefined || !isSameVersion(this.#whole.version, this.version)) {
      this.#whole = this.#report(this.#topics.all())
    }
    return this.#whole
  }

  /** Those that are not there any more are left out: name servers are not told of deletions. */
  some(names: Iterable<string>): TopicReport {
    const topics = [...names].map(name => this.#topics.find(name)).filter(topic => topic !== undefined)
    return this.#report(topics)
  }

  /** The topic with the permission that clients are told. */
  narrowed(topic: TopicConfig): TopicConfig {
    const permission = this.#permission()
    if ((permission & PERM_READ_WRITE) === PERM_READ_WRITE) return topic
    return { ...topic, perm: topic.perm & permission }
  }

  #report(topics: Iterable<TopicConfig>): TopicReport {
    const { version } = this
    const topicConfigTable: Record<string, unknown> = Object.create(null)
    for (const topic of topics) topicConfigTable[topic.name] = topicConfigJson(this.narrowed(topic))
    const text = JSON.stringify({
      filterServerList: [],
      topicConfigSerializeWrapper: {
        dataVersion: version,
        mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: version.timestamp },
        topicConfigTable,
        topicQueueMappingDetailMap: {},
        topicQueueMappingInfoMap: {}
      }
    })
    return { body: new TextEncoder().encode(text), version }
  }
}
