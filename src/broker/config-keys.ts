/**
 * The keys of RocketMQ's `broker.conf` that act here: one table of names, types, defaults and meanings, from which the
 * typed config, its checks and `varve config explain` follow. Names and defaults are RocketMQ's own.
 *
 * Not here: keys that Apache RocketMQ knows and that do nothing here (config-idle-keys.ts), reading files (config.ts).
 */
import { GiB, hourMs, KiB, MiB } from '../base/index.ts'

/** `live`: read each time it matters. `at start`: an update waits for the next start. */
export type ConfigEffect = 'live' | 'at start'

export type ConfigValue = string | number | boolean

export interface ConfigKey<Value extends ConfigValue = ConfigValue> {
  readonly default: Value
  readonly effect: ConfigEffect
  readonly meaning: string
  readonly min?: number
  readonly max?: number
  readonly oneOf?: readonly string[]
  /** The option of the store that it becomes. */
  readonly storeOption?: string
}

interface More {
  readonly min?: number
  readonly max?: number
  readonly storeOption?: string
}

const INT_MAX = 2 ** 31 - 1

const text = (value: string, effect: ConfigEffect, meaning: string, more: More = {}): ConfigKey<string> => ({
  default: value,
  effect,
  meaning,
  ...more
})
const whole = (value: number, effect: ConfigEffect, meaning: string, more: More = {}): ConfigKey<number> => ({
  default: value,
  effect,
  meaning,
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  ...more
})
const onOff = (value: boolean, effect: ConfigEffect, meaning: string, more: More = {}): ConfigKey<boolean> => ({
  default: value,
  effect,
  meaning,
  ...more
})
const choice = (
  oneOf: readonly [string, ...string[]],
  effect: ConfigEffect,
  meaning: string,
  more: More = {}
): ConfigKey<string> => ({ default: oneOf[0], effect, meaning, oneOf, ...more })

const QUEUE_COUNT = { max: INT_MAX }
const PORT = { max: 65_535 }
const PERCENT = { min: 1, max: 100 }
const DAY_SECONDS = 86_400

export const BROKER_KEYS = {
  // Identity and addresses.
  brokerClusterName: text('DefaultCluster', 'at start', 'the cluster that this broker belongs to'),
  brokerName: text('', 'at start', 'name of the broker in routes; the host name where it is empty'),
  brokerId: whole(0, 'at start', '0 is the master of this name, others are slaves'),
  brokerRole: choice(
    ['ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'],
    'at start',
    'master or slave, and what a send waits for'
  ),
  brokerIP1: text('', 'at start', 'address given to clients; the one they dialled where it is empty', {
    storeOption: 'storeHost'
  }),
  brokerIP2: text('', 'at start', 'address given to slaves'),
  bindAddress: text('', 'at start', 'address to listen on; 127.0.0.1 where it is empty'),
  listenPort: whole(10_911, 'at start', 'port of the broker; the one two below it takes the same requests', {
    ...PORT,
    storeOption: 'storeHost'
  }),
  haListenPort: whole(10_912, 'at start', 'port on which slaves connect', PORT),
  namesrvAddr: text('', 'live', 'name servers to register with, separated by `;`'),
  registerNameServerPeriod: whole(30_000, 'at start', 'ms between registrations, from 10,000 to 60,000'),
  registerBrokerTimeoutMills: whole(24_000, 'live', 'ms to wait for an answer of a name server'),
  regionId: text('DefaultRegion', 'live', 'written into messages as MSG_REGION'),
  serverChannelMaxIdleTimeSeconds: whole(120, 'at start', 'a connection without traffic for so long is closed', {
    min: 1,
    max: INT_MAX
  }),

  // What clients may do.
  brokerPermission: whole(6, 'live', 'bits: 2 write, 4 read; combined with that of each topic', { max: 7 }),
  autoCreateTopicEnable: onOff(true, 'live', 'a send to an unknown topic creates it after the model of TBW102'),
  autoCreateSubscriptionGroup: onOff(true, 'live', 'a consumer of an unknown group creates it'),
  enableCreateSysGroup: onOff(true, 'live', 'groups of the system are created even where others are not'),
  defaultTopicQueueNums: whole(
    8,
    'at start',
    'queues of TBW102, the most that an auto-created topic gets',
    QUEUE_COUNT
  ),
  clusterTopicEnable: onOff(true, 'at start', 'the topic named like the cluster can be read and written'),
  brokerTopicEnable: onOff(true, 'at start', 'the topic named like the broker can be read and written'),
  traceTopicEnable: onOff(false, 'at start', 'there is a topic for message traces'),
  traceOn: onOff(true, 'live', 'told to clients with each message as TRACE_ON'),
  msgTraceTopicName: text('RMQ_SYS_TRACE_TOPIC', 'at start', 'name of the topic for message traces'),
  enableMixedMessageType: onOff(false, 'live', 'a topic may have message.type MIXED'),
  validateSystemTopicWhenUpdateTopic: onOff(true, 'live', 'administrators may not change topics of the broker itself'),
  clearRetryTopicWhenDeleteTopic: onOff(true, 'live', 'deleting a topic deletes the retry topics of its pop consumers'),
  startAcceptSendRequestTimeStamp: whole(0, 'live', 'sends before this time (ms since 1970) are refused'),
  rejectTransactionMessage: onOff(false, 'live', 'transactional sends are refused'),
  litePullMessageEnable: onOff(true, 'live', 'lite pull consumers may pull'),
  rejectPullConsumerEnable: onOff(false, 'live', 'groups of pull consumers are not registered'),

  // Sending.
  maxMessageSize: whole(4 * MiB, 'at start', 'bytes of the largest body', { max: GiB, storeOption: 'messageBytesMax' }),
  waitTimeMillsInSendQueue: whole(200, 'live', 'a send that waited longer is refused as busy'),
  sendThreadPoolQueueCapacity: whole(10_000, 'live', 'sends that may wait; more are refused as busy'),
  brokerFastFailureEnable: onOff(true, 'live', 'requests that waited too long are refused instead of done late'),
  syncFlushTimeout: whole(5000, 'live', 'ms that a send waits for the disk with SYNC_FLUSH'),
  storeReplyMessageEnable: onOff(true, 'live', 'a copy of each reply is stored in the topic for replies'),

  // Pulling and filters.
  longPollingEnable: onOff(true, 'live', 'a pull without messages waits as long as its client allows'),
  shortPollingTimeMills: whole(1000, 'live', 'ms that it waits instead, with longPollingEnable=false'),
  pullThreadPoolQueueCapacity: whole(100_000, 'live', 'pulls that may wait in all'),
  maxTransferBytesOnMessageInMemory: whole(256 * KiB, 'live', 'bytes of one answer, of messages in memory'),
  maxTransferCountOnMessageInMemory: whole(32, 'live', 'messages in one answer, of those in memory'),
  maxTransferBytesOnMessageInDisk: whole(64 * KiB, 'live', 'bytes of one answer, of messages that come from the disk'),
  maxTransferCountOnMessageInDisk: whole(8, 'live', 'messages in one answer, of those that come from the disk'),
  accessMessageInMemoryMaxRatio: whole(
    40,
    'live',
    'percent of the memory whose newest messages count as in memory',
    PERCENT
  ),
  maxFilterMessageSize: whole(16_000, 'live', 'bytes of queue entries that one pull looks at'),
  pullBatchMaxMessageCount: whole(160, 'live', 'messages in one answer, whatever the client asks for'),
  enablePropertyFilter: onOff(false, 'live', 'consumers may filter by SQL92'),
  slaveReadEnable: onOff(false, 'live', 'slaves answer pulls of what is not in memory'),
  maxMsgsNumBatch: whole(64, 'live', 'most messages that a query by key finds'),
  defaultQueryMaxNum: whole(32, 'live', 'most messages that a query by unique key finds'),

  // Groups, offsets, clients.
  flushConsumerOffsetInterval: whole(5000, 'at start', 'ms between saves of consumerOffset.json', { min: 1 }),
  consumerOffsetUpdateVersionStep: whole(500, 'live', 'commits after which the data version of the offsets moves', {
    min: 1
  }),
  useServerSideResetOffset: onOff(true, 'live', 'a reset of offsets is kept here until the next pull'),
  notifyConsumerIdsChangedEnable: onOff(true, 'live', 'consumers are told when members of their group come and go'),
  realTimeNotifyConsumerChange: onOff(true, 'live', 'they are told at once; otherwise every 15 s'),
  channelExpiredTimeout: whole(120_000, 'live', 'ms without heartbeat after which a client is forgotten'),
  enableRegisterProducer: onOff(true, 'live', 'producers are registered even where transactions are refused'),
  enableDetailStat: onOff(true, 'at start', 'statistics per queue'),
  configBlackList: text('configBlackList;brokerConfigPath', 'live', 'keys that administrators may not change, by `;`'),

  // Transactions.
  transactionTimeOut: whole(6000, 'live', 'ms before a half message is asked about for the first time'),
  transactionCheckInterval: whole(30_000, 'at start', 'ms between looks for half messages to ask about', { min: 1 }),
  transactionCheckMax: whole(15, 'live', 'times that a producer is asked before a half message is given up'),
  transactionOpBatchInterval: whole(3000, 'at start', 'ms between notes of which half messages are decided', {
    min: 1
  }),
  transactionOpMsgMaxSize: whole(4096, 'live', 'bytes of one such note; a full one is written at once'),

  // Topics that later features own; their queues exist from the start.
  reviveQueueNum: whole(8, 'at start', 'queues of the topic for pop consumption', QUEUE_COUNT),
  timerWheelEnable: onOff(true, 'at start', 'timed messages are taken and delivered'),
  // The one default that is not RocketMQ's.
  timerMaxDelaySec: whole(
    40 * DAY_SECONDS,
    'live',
    'seconds ahead for which a message may be timed, up to a year; Apache RocketMQ has 259,200 (3 days) unless it is set',
    { min: 1, max: 365 * DAY_SECONDS }
  ),
  timerRollWindowSlot: whole(
    2 * DAY_SECONDS,
    'at start',
    'seconds after which a timed message is stored anew; records must be kept (fileReservedTime) for longer',
    { min: 2, max: 7 * DAY_SECONDS - 60 }
  ),
  timerFlushIntervalMs: whole(1000, 'at start', 'ms between saves of what timed messages wait', { min: 10 }),
  mappedFileSizeTimerLog: whole(
    100 * MiB,
    'at start',
    'bytes of one file of the timer log, 52 for each timed message',
    {
      min: 120,
      max: GiB
    }
  ),
  recallMessageEnable: onOff(false, 'live', 'timed messages may be taken back by their handle'),
  allowRecallWhenBrokerNotWriteable: onOff(true, 'live', 'also while brokerPermission forbids writing'),
  messageDelayLevel: text(
    '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
    'at start',
    'the delay levels',
    {
      storeOption: 'delayLevels'
    }
  ),
  flushDelayOffsetInterval: whole(10_000, 'at start', 'ms between saves of delayOffset.json', { min: 1 }),
  delayOffsetUpdateVersionStep: whole(
    200,
    'live',
    'delayed messages delivered after which the data version of their progress moves',
    { min: 1 }
  ),

  // The store.
  storePathRootDir: text('', 'at start', 'the directory of the store', { storeOption: 'directory' }),
  storePathCommitLog: text('', 'at start', '`commitlog` below storePathRootDir, where the log is, or empty'),
  flushDiskType: choice(['ASYNC_FLUSH', 'SYNC_FLUSH'], 'at start', 'whether a send waits until it is on disk', {
    storeOption: 'flush'
  }),
  flushIntervalCommitLog: whole(500, 'at start', 'ms between flushes with ASYNC_FLUSH', {
    min: 1,
    max: hourMs,
    storeOption: 'flushIntervalMs'
  }),
  flushCommitLogLeastPages: whole(4, 'at start', 'pages that must be dirty before a flush', {
    max: 1_000_000,
    storeOption: 'flushLeastPages'
  }),
  flushCommitLogThoroughInterval: whole(10_000, 'at start', 'ms after which everything is flushed', {
    min: 1,
    max: 24 * hourMs,
    storeOption: 'flushThoroughIntervalMs'
  }),
  mappedFileSizeCommitLog: whole(GiB, 'at start', 'bytes of one file of the log', {
    min: 64 * KiB,
    max: GiB,
    storeOption: 'segmentBytes'
  }),
  mappedFileSizeConsumeQueue: whole(6_000_000, 'at start', 'bytes of one file of a queue, 20 for each message', {
    min: 320,
    max: 2_000_000_000,
    storeOption: 'queueFileEntries'
  }),
  maxHashSlotNum: whole(5_000_000, 'at start', 'slots of one index file', {
    min: 1,
    max: 100_000_000,
    storeOption: 'indexSlots'
  }),
  maxIndexNum: whole(20_000_000, 'at start', 'keys in one index file', {
    min: 2,
    max: 100_000_000,
    storeOption: 'indexItems'
  }),
  messageIndexEnable: onOff(true, 'at start', 'messages can be found by key', { storeOption: 'index' }),
  enabledAppendPropCRC: onOff(false, 'at start', 'each record carries a checksum of itself', {
    storeOption: 'recordChecksum'
  }),
  deleteWhen: text('04', 'at start', 'hours of the day at which old files are deleted, by `;`', {
    storeOption: 'retention.hours'
  }),
  fileReservedTime: whole(72, 'at start', 'hours that a file of the log is kept', {
    max: 1_000_000,
    storeOption: 'retention.ageMs'
  }),
  diskMaxUsedSpaceRatio: whole(75, 'at start', 'percent of the disk above which old files go at any hour', {
    ...PERCENT,
    storeOption: 'retention.diskUsedRatioMax'
  }),
  diskSpaceCleanForciblyRatio: whole(85, 'at start', 'percent above which the oldest files go whatever their age', {
    ...PERCENT,
    storeOption: 'retention.diskUsedRatioForced'
  }),
  diskSpaceWarningLevelRatio: whole(90, 'at start', 'percent above which sends are refused', {
    ...PERCENT,
    storeOption: 'retention.diskUsedRatioFull'
  }),
  cleanFileForciblyEnable: onOff(true, 'at start', 'whether diskSpaceCleanForciblyRatio acts at all', {
    storeOption: 'retention.diskUsedRatioForced'
  }),
  cleanResourceInterval: whole(10_000, 'at start', 'ms between looks for old files', {
    max: 24 * hourMs,
    storeOption: 'retention.intervalMs'
  }),

  // Varve's own: Apache RocketMQ has no such keys.
  varveBroker: onOff(true, 'at start', 'there is a broker; false leaves the name server alone, without a store'),
  varveVip: onOff(true, 'at start', 'clients with a VIP channel have a port of their own, two below listenPort'),
  varveNameServer: text(
    '',
    'at start',
    'HOST:PORT of the name server in this process, or `off`; where it is empty 127.0.0.1:9876, or off if namesrvAddr is set'
  ),
  varveHttp: text('127.0.0.1:5557', 'at start', 'HOST:PORT for health and metrics over HTTP, or `off`'),
  varveAdvertisedPort: whole(0, 'at start', 'port given to clients together with brokerIP1; 0 for listenPort', PORT),
  varveInsecure: onOff(false, 'at start', 'other machines may connect although there is no authentication yet'),
  varveConnectionsMax: whole(20_000, 'at start', 'connections that one port accepts; more are closed at once', {
    min: 1,
    max: 1_000_000
  }),
  varveLogLevel: choice(['info', 'debug', 'warn', 'error'], 'at start', 'the least of what is logged')
} as const satisfies Record<string, ConfigKey>

export type BrokerKey = keyof typeof BROKER_KEYS

/** The values, under RocketMQ's own names. The object is the same for the life of the broker; `live` values change in it. */
export type BrokerConfig = {
  readonly [Key in BrokerKey]: (typeof BROKER_KEYS)[Key] extends ConfigKey<infer Value> ? Value : never
}

export const isBrokerKey = (name: string): name is BrokerKey => Object.hasOwn(BROKER_KEYS, name)
