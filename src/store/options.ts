/** Options of a store: defaults, and the ranges outside of which the format or the machine could not keep its promises. */
import { GiB, hourMs, KiB, MiB, secondMs, systemClock, VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, DELAY_LEVELS_DEFAULT, hostToBytes, parseDelayLevels } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import type { RetentionOptions, StoreOptions } from './store-api.ts'

export type ResolvedRetention = Required<Omit<RetentionOptions, 'totalBytesMax' | 'mayDelete'>> & {
  readonly totalBytesMax: number | undefined
  readonly mayDelete: RetentionOptions['mayDelete'] | undefined
}

/** Every option with its value. `files` and `threads` are chosen by whoever opens the store (open-store.ts). */
export type ResolvedOptions = Required<
  Omit<StoreOptions, 'files' | 'delayLevels' | 'retention' | 'threads' | 'mapper' | 'onProgress'>
> & {
  readonly delayLevelsMs: readonly number[]
  readonly retention: ResolvedRetention
  readonly onProgress: StoreOptions['onProgress']
}

/** Records are not larger than this beside their body: properties, topic, hosts and lengths. */
export const RECORD_OVERHEAD_BYTES_MAX = 128 * KiB
const SEGMENT_BYTES_MIN = 64 * KiB

/** What the sizes of a directory are unless it says otherwise. */
export const SIZES_DEFAULT = {
  segmentBytes: GiB,
  queueFileEntries: 300_000,
  indexSlots: 5_000_000,
  indexItems: 20_000_000
}

export const QUEUE_ID_MAX_DEFAULT = 65_535

/** Whether a store could be opened with them. @throws VarveError OPTION_INVALID */
export function checkOptions(options: StoreOptions): void {
  resolveOptions(options)
}

export function resolveOptions(options: StoreOptions): ResolvedOptions {
  const segmentBytes = within(
    'segmentBytes',
    options.segmentBytes ?? SIZES_DEFAULT.segmentBytes,
    SEGMENT_BYTES_MIN,
    GiB
  )
  if (segmentBytes % (4 * KiB) !== 0) throw invalid('segmentBytes', segmentBytes, 'a multiple of 4096')
  // Chosen by whoever opens the store, but named by its user.
  oneOf('threads', options.threads ?? 'workers', ['workers', 'none'])
  oneOf('mapper', options.mapper ?? 'auto', ['auto', 'mmap-io', 'native', 'plain'])
  if (options.directory === '') throw invalid('directory', '', 'a path')
  return {
    directory: options.directory,
    create: options.create ?? true,
    flush: oneOf('flush', options.flush ?? 'async', ['sync', 'async']),
    flushIntervalMs: within('flushIntervalMs', options.flushIntervalMs ?? 500, 1, hourMs),
    flushLeastPages: within('flushLeastPages', options.flushLeastPages ?? 4, 0, 1_000_000),
    flushThoroughIntervalMs: within(
      'flushThoroughIntervalMs',
      options.flushThoroughIntervalMs ?? 10 * secondMs,
      1,
      24 * hourMs
    ),
    segmentBytes,
    queueFileEntries: within(
      'queueFileEntries',
      options.queueFileEntries ?? SIZES_DEFAULT.queueFileEntries,
      16,
      100_000_000
    ),
    indexSlots: within('indexSlots', options.indexSlots ?? SIZES_DEFAULT.indexSlots, 1, 100_000_000),
    indexItems: within('indexItems', options.indexItems ?? SIZES_DEFAULT.indexItems, 2, 100_000_000),
    index: options.index ?? true,
    messageBytesMax: within('messageBytesMax', options.messageBytesMax ?? 4 * MiB, 0, GiB),
    queueIdMax: within('queueIdMax', options.queueIdMax ?? QUEUE_ID_MAX_DEFAULT, 0, 0x7fffffff),
    queueCountMax: within('queueCountMax', options.queueCountMax ?? 1_048_576, 1, 16_777_216),
    recordChecksum: options.recordChecksum ?? false,
    storeHost: host('storeHost', options.storeHost ?? { address: '127.0.0.1', port: 10911 }),
    dirtyBytesMax: within('dirtyBytesMax', options.dirtyBytesMax ?? GiB, MiB, GiB),
    undispatchedCountMax: within('undispatchedCountMax', options.undispatchedCountMax ?? 4_194_304, 1024, 1 << 26),
    delayLevelsMs: parseDelayLevels(options.delayLevels ?? DELAY_LEVELS_DEFAULT),
    retention: resolveRetention(options.retention ?? {}),
    clock: options.clock ?? systemClock,
    onProgress: options.onProgress
  }
}

/** Bytes of one consume-queue file. */
export const queueFileBytes = (queueFileEntries: number): number => queueFileEntries * CONSUME_QUEUE_ENTRY.sizeBytes

function resolveRetention(retention: RetentionOptions): ResolvedRetention {
  const hours = retention.hours ?? [4]
  if (hours !== 'always') for (const hour of hours) within('retention.hours', hour, 0, 23)
  return {
    ageMs: within('retention.ageMs', retention.ageMs ?? 72 * hourMs, 0, Number.MAX_SAFE_INTEGER),
    hours,
    totalBytesMax:
      retention.totalBytesMax === undefined
        ? undefined
        : within('retention.totalBytesMax', retention.totalBytesMax, 0, Number.MAX_SAFE_INTEGER),
    diskUsedRatioMax: ratio('retention.diskUsedRatioMax', retention.diskUsedRatioMax ?? 0.75),
    diskUsedRatioForced: ratio('retention.diskUsedRatioForced', retention.diskUsedRatioForced ?? 0.85),
    diskUsedRatioFull: ratio('retention.diskUsedRatioFull', retention.diskUsedRatioFull ?? 0.9),
    intervalMs: within('retention.intervalMs', retention.intervalMs ?? 10 * secondMs, 0, 24 * hourMs),
    mayDelete: retention.mayDelete
  }
}

function within(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(option, value, `an integer from ${min} to ${max}`)
  return value
}

function ratio(option: string, value: number): number {
  if (!(value > 0 && value <= 1)) throw invalid(option, value, 'above 0, up to 1')
  return value
}

function host(option: string, value: HostAddress): HostAddress {
  try {
    hostToBytes(value)
  } catch (cause) {
    throw new VarveError(
      'OPTION_INVALID',
      { option, value: `${value.address}:${value.port}`, range: 'an IP address and a port' },
      { cause }
    )
  }
  return value
}

function oneOf<T extends string>(option: string, value: T, known: readonly T[]): T {
  if (!known.includes(value)) throw invalid(option, value, known.join(' or '))
  return value
}

const invalid = (option: string, value: string | number, range: string): VarveError =>
  new VarveError('OPTION_INVALID', { option, value: String(value), range })
