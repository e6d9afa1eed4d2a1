/**
 * Settings of the name server, under the names of Apache RocketMQ's `namesrv.conf`, which tools read and change while it
 * runs (`mqadmin getNamesrvConfig`, `updateNamesrvConfig`).
 *
 * Changes made by tools last as long as the process; what should stay is written into the configuration.
 */
import { VarveError } from '../base/index.ts'

export interface NameServerSettings {
  /** Routes of ordered topics tell how their queues are spread. */
  orderMessageEnable: boolean
  /** Brokers that register get the namespace of ordered topics. */
  returnOrderTopicConfigToBroker: boolean
  enableAllTopicList: boolean
  enableTopicList: boolean
  /** No routes for the first `waitSecondsForService`, until all brokers have had time to register. */
  needWaitForService: boolean
  waitSecondsForService: number
  deleteTopicWithBrokerRegistration: boolean
  supportActingMaster: boolean
  /** How often silent brokers are looked for, in ms. Read when the server opens. */
  scanNotActiveBrokerInterval: number
}

export const NAME_SERVER_DEFAULTS: NameServerSettings = {
  orderMessageEnable: false,
  returnOrderTopicConfigToBroker: true,
  enableAllTopicList: true,
  enableTopicList: true,
  needWaitForService: false,
  waitSecondsForService: 45,
  deleteTopicWithBrokerRegistration: false,
  supportActingMaster: false,
  scanNotActiveBrokerInterval: 5000
}

/** Apache's keys for what does not exist here, such as sizes of thread pools: accepted, without effect. */
const IDLE_KEYS: ReadonlySet<string> = new Set([
  'productEnvName',
  'clusterTest',
  'clientRequestThreadPoolNums',
  'defaultThreadPoolNums',
  'clientRequestThreadPoolQueueCapacity',
  'defaultThreadPoolQueueCapacity',
  'unRegisterBrokerQueueCapacity',
  'notifyMinBrokerIdChanged',
  'enableControllerInNamesrv',
  'listenPort',
  'bindAddress',
  'serverWorkerThreads',
  'serverCallbackExecutorThreads',
  'serverSelectorThreads',
  'serverOnewaySemaphoreValue',
  'serverAsyncSemaphoreValue',
  'serverChannelMaxIdleTimeSeconds',
  'serverSocketSndBufSize',
  'serverSocketRcvBufSize',
  'serverSocketBacklog',
  'writeBufferHighWaterMark',
  'writeBufferLowWaterMark',
  'serverPooledByteBufAllocatorEnable',
  'useEpollNativeSelector'
])

/** Nobody may change them over the wire: they say where files are, or guard this list itself. */
const LOCKED_KEYS = ['configBlackList', 'configStorePath', 'kvConfigPath', 'rocketmqHome']

/**
 * Changes what the properties name: all of it, or nothing if anything is wrong.
 * @throws VarveError PERMISSION_DENIED for a key that nobody may change, CONFIG_INVALID for an unknown key or a bad value
 */
export function updateSettings(settings: NameServerSettings, properties: ReadonlyMap<string, string>): void {
  const locked = LOCKED_KEYS.find(key => properties.has(key))
  if (locked !== undefined) {
    throw new VarveError('PERMISSION_DENIED', { reason: 'Can not update config in black list.', key: locked })
  }
  const changed: Record<string, boolean | number> = {}
  for (const [key, text] of properties) {
    if (IDLE_KEYS.has(key)) continue
    if (!Object.hasOwn(NAME_SERVER_DEFAULTS, key)) throw new VarveError('CONFIG_INVALID', { key, reason: 'unknown' })
    changed[key] = parsedValue(key as keyof NameServerSettings, text) // One of the names of the defaults.
  }
  Object.assign(settings, changed)
}

/** As lines of `key=value`. */
export function printSettings(settings: NameServerSettings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

/** Lines of `key=value`, as tools send them; blank lines and those that begin with `#` mean nothing. */
export function parseSettings(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of text.split('\n')) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const at = trimmed.indexOf('=')
    if (at === -1) throw new VarveError('CONFIG_INVALID', { key: trimmed, reason: 'a line without `=`' })
    properties.set(trimmed.slice(0, at).trim(), trimmed.slice(at + 1).trim())
  }
  return properties
}

function parsedValue(key: keyof NameServerSettings, text: string): boolean | number {
  if (typeof NAME_SERVER_DEFAULTS[key] === 'boolean') {
    if (text === 'true' || text === 'false') return text === 'true'
    throw new VarveError('CONFIG_INVALID', { key, value: text, reason: 'neither true nor false' })
  }
  const number = Number(text)
  if (text !== '' && Number.isSafeInteger(number) && number >= 0) return number
  throw new VarveError('CONFIG_INVALID', { key, value: text, reason: 'not an integer from 0' })
}
