/** The options of the store that follow from the broker's configuration. */
import { resolve } from 'node:path'
import { hourMs, VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY } from '../layout/index.ts'
import { checkOptions, type StoreOptions } from '../store/index.ts'
import { BROKER_KEYS, type BrokerConfig, type ConfigKey } from './config-keys.ts'

/** Ratios above these would let the disk fill up; RocketMQ clamps them, too. */
const FULL_PERCENT = { min: 35, max: 90 }
const FORCED_PERCENT = { min: 30, max: 85 }
const NEVER = 1

/** Everything but the directory. `storeHost` is left out where no address is configured. @throws VarveError CONFIG_INVALID */
export function storeOptionsOf(config: BrokerConfig): Omit<StoreOptions, 'directory'> {
  return {
    flush: config.flushDiskType === 'SYNC_FLUSH' ? 'sync' : 'async',
    flushIntervalMs: config.flushIntervalCommitLog,
    flushLeastPages: config.flushCommitLogLeastPages,
    flushThoroughIntervalMs: config.flushCommitLogThoroughInterval,
    segmentBytes: config.mappedFileSizeCommitLog,
    queueFileEntries: Math.ceil(config.mappedFileSizeConsumeQueue / CONSUME_QUEUE_ENTRY.sizeBytes),
    indexSlots: config.maxHashSlotNum,
    indexItems: config.maxIndexNum,
    index: config.messageIndexEnable,
    messageBytesMax: config.maxMessageSize,
    recordChecksum: config.enabledAppendPropCRC,
    delayLevels: config.messageDelayLevel,
    ...(config.brokerIP1 === '' ? {} : { storeHost: { address: config.brokerIP1, port: config.listenPort } }),
    retention: {
      ageMs: config.fileReservedTime * hourMs,
      hours: hoursOf(config.deleteWhen),
      diskUsedRatioMax: config.diskMaxUsedSpaceRatio / 100,
      diskUsedRatioForced: config.cleanFileForciblyEnable
        ? clamped(config.diskSpaceCleanForciblyRatio, FORCED_PERCENT) / 100
        : NEVER,
      diskUsedRatioFull: clamped(config.diskSpaceWarningLevelRatio, FULL_PERCENT) / 100,
      intervalMs: config.cleanResourceInterval
    }
  }
}

/** Whether a store can be opened with them, in words of the configuration. @throws VarveError CONFIG_INVALID */
export function checkStoreOptions(config: BrokerConfig): void {
  checkPaths(config)
  // Where it lies, and which address is written into it, is said when it is opened.
  const { storeHost: _, ...options } = storeOptionsOf(config)
  try {
    checkOptions({ ...options, directory: '.' })
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== 'OPTION_INVALID') throw error
    const { option, range, ...more } = error.details
    const [key] = Object.entries<ConfigKey>(BROKER_KEYS).find(([, { storeOption }]) => storeOption === option) ?? []
    if (key === undefined) throw error
    throw new VarveError('CONFIG_INVALID', { key, ...more, reason: `it must be ${range}` }, { cause: error })
  }
}

/** A log elsewhere would be passed over, and a new one begun; `~` is the shell's word for a home, and here a name. */
function checkPaths({ storePathRootDir, storePathCommitLog }: BrokerConfig): void {
  if (storePathRootDir.split(/[/\\]/).includes('~')) {
    const reason = '`~` is not resolved here: write the whole path'
    throw new VarveError('CONFIG_INVALID', { key: 'storePathRootDir', value: storePathRootDir, reason })
  }
  const expected = resolve(storePathRootDir, 'commitlog')
  if (storePathCommitLog === '' || resolve(storePathCommitLog) === expected) return
  const reason = `the log lies below storePathRootDir, at ${expected}`
  throw new VarveError('CONFIG_INVALID', { key: 'storePathCommitLog', value: storePathCommitLog, reason })
}

function hoursOf(text: string): number[] {
  return text
    .split(';')
    .filter(hour => hour.trim() !== '')
    .map(hour => {
      const value = Number(hour)
      if (Number.isInteger(value) && value >= 0 && value <= 23) return value
      throw new VarveError('CONFIG_INVALID', { key: 'deleteWhen', reason: `hours from 0 to 23 by \`;\`, not ${text}` })
    })
}

const clamped = (value: number, { min, max }: { min: number; max: number }) => Math.min(max, Math.max(min, value))
