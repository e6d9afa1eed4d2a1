/** `varve store info`: what is in a store and how it was left, without opening it or changing anything. */
import { Command } from 'commander'
import {
  type Condition,
  type DirectoryFacts,
  type Files,
  findLogEnd,
  hasSidecar,
  indexExtent,
  listQuarantine,
  type QueueFacts,
  readCheckpoint,
  readDamage,
  readDirectoryFacts,
  readQueueFacts,
  readQueueTable,
  readSeals
} from '../store/index.ts'
import { filesFor, forStore, knownSizes, type StoreVerbOptions } from './store-options.ts'
import { type CliWorld, facts as factLines, printJson, printLines, table } from './terminal.ts'
import { bytesInWords, counted, countInWords, safeText, shortened, timeInWords } from './words.ts'

/** Queues that are listed in words; JSON has all of them. */
const QUEUES_SHOWN = 50
const TOPIC_SHOWN_MAX = 48

export function storeInfoCommand(world: CliWorld): Command {
  return forStore(new Command('info').description('what is in a store and how it was left; changes nothing')).action(
    async (directory: string, options: StoreVerbOptions) => {
      const files = filesFor(options)
      const info = collect(files, readDirectoryFacts(files, directory, knownSizes(options)))
      if (options.json) await printJson(world, info)
      else await printLines(world, inWords(info))
    }
  )
}

type Info = ReturnType<typeof collect>

function collect(files: Files, facts: DirectoryFacts) {
  const { directory, segments, indexShape, state } = facts
  const logStart = segments[0]?.base ?? 0
  const table = readQueueTable(files, directory)
  const extent = indexShape === undefined ? undefined : indexExtent(files, directory, indexShape)
  return {
    directory,
    condition: facts.condition,
    holderPid: facts.holderPid ?? null,
    hasAbortFile: facts.hasAbortFile,
    log: { start: logStart, end: findLogEnd(files, facts), segmentBytes: facts.segmentBytes },
    segments: segments.map(({ base, sizeBytes, allocatedBytes, modifiedMs }) => ({
      base,
      sizeBytes,
      allocatedBytes,
      modifiedMs
    })),
    strayFiles: facts.strayFiles,
    queueFileEntries: facts.queueFileEntries,
    queues: [...readQueueFacts(files, facts, logStart)] satisfies QueueFacts[],
    index: {
      slots: indexShape?.slots ?? null,
      items: indexShape?.items ?? null,
      fileCount: extent?.fileCount ?? 0,
      itemCount: extent?.itemCount ?? 0,
      from: extent?.from ?? null,
      until: extent?.until ?? null
    },
    checkpoint: readCheckpoint(files, directory),
    sidecar: {
      exists: hasSidecar(files, directory),
      state: state ?? null,
      queueTableUntil: table?.untilPhysicalOffset ?? null,
      sealCount: readSeals(files, directory).size,
      damage: readDamage(files, directory),
      quarantine: listQuarantine(files, directory)
    },
    space: facts.space
  }
}

const conditions: Readonly<Record<Condition, string>> = {
  running: 'open in a process',
  clean: 'closed by Varve, untouched since',
  crashed: 'not closed: the next start recovers it',
  foreign: 'closed by Apache RocketMQ, or without the files of Varve',
  'foreign-crashed': 'left by Apache RocketMQ, or without the files of Varve, and not closed'
}

function inWords(info: Info): string[] {
  const { log, segments, queues, index, sidecar, space, holderPid } = info
  const allocated = segments.reduce((bytes, segment) => bytes + segment.allocatedBytes, 0)
  const holder = holderPid === null ? '' : ` (${holderPid === 0 ? 'not known which' : `pid ${holderPid}`})`
  const lines = factLines([
    ['directory', info.directory],
    ['condition', `${conditions[info.condition]}${holder}`],
    ['log', `${countInWords(log.start)} to ${countInWords(log.end)}, ${bytesInWords(log.end - log.start)}`],
    ['segments', `${segments.length} of ${bytesInWords(log.segmentBytes)}, ${bytesInWords(allocated)} on disk`],
    [
      'queues',
      `${queues.length}, ${counted(messageCount(queues), 'message')}, ${countInWords(info.queueFileEntries)} entries a file`
    ],
    ['index', indexInWords(index)],
    ['sidecar', sidecarInWords(sidecar)],
    ['disk', `${bytesInWords(space.availableBytes)} of ${bytesInWords(space.totalBytes)} free`]
  ])
  if (sidecar.damage.length > 0) {
    lines.push('', 'known damage:')
    for (const { from, until, reason } of sidecar.damage)
      lines.push(`  ${countInWords(from)} to ${countInWords(until)}: ${safeText(reason)}`)
  }
  for (const { path, sizeBytes } of sidecar.quarantine) lines.push(`quarantine: ${path} (${bytesInWords(sizeBytes)})`)
  for (const path of info.strayFiles) lines.push(`does not belong here: ${safeText(path)}`)
  if (queues.length === 0) return lines
  const shown = queues.slice(0, QUEUES_SHOWN)
  const rows = shown.map(({ topic, queueId, minOffset, maxOffset, fileCount }) => [
    shortened(safeText(topic), TOPIC_SHOWN_MAX),
    queueId,
    countInWords(minOffset),
    countInWords(maxOffset),
    countInWords(maxOffset - minOffset),
    fileCount
  ])
  lines.push('', ...table([['topic', 'queue', 'first', 'next', 'messages', 'files'], ...rows]))
  if (shown.length < queues.length) lines.push(`and ${queues.length - shown.length} more; --json lists all`)
  return lines
}

const messageCount = (queues: Info['queues']): number =>
  queues.reduce((count, { minOffset, maxOffset }) => count + maxOffset - minOffset, 0)

function indexInWords({ fileCount, itemCount, from, until, slots, items }: Info['index']): string {
  if (fileCount === 0) return 'none'
  const shape =
    slots === null || items === null ? '' : `, ${countInWords(slots)} slots and ${countInWords(items)} items a file`
  const range = from === null || until === null ? '' : `, records ${countInWords(from)} to ${countInWords(until)}`
  return `${counted(fileCount, 'file')}, ${counted(itemCount, 'item')}${range}${shape}`
}

function sidecarInWords({ exists, state, sealCount }: Info['sidecar']): string {
  if (!exists) return 'none'
  if (state === null) return 'without a state that can be read'
  const { durableUntil, savedAtMs } = state
  return `good and on disk up to ${countInWords(durableUntil)}, as of ${timeInWords(savedAtMs)}; ${counted(sealCount, 'seal')}`
}
