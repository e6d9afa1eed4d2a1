/**
 * `varve doctor`: whether this machine, and a directory on it, are good for a store, check by check with a verdict.
 *
 * Nothing of a store is changed. To learn whether the file system can give blocks to a file ahead of writing, a small
 * file is made and removed again; inside of a store that happens below varve/, so that the store's root stays untouched.
 */
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { GiB, KiB, MiB, VarveError } from '../base/index.ts'
import { type Files, hasSidecar, lockHolder, nativeFacts, openFilesLimit, openRealFiles } from '../store/index.ts'
import { type CliWorld, EXIT, printJson, printLines } from './terminal.ts'
import { bytesInWords, countInWords } from './words.ts'

type Verdict = 'ok' | 'warning' | 'failure'

interface Check {
  readonly name: string
  readonly verdict: Verdict
  readonly says: string
}

const NODE_VERSION_MIN = [20, 19] as const
const OPEN_FILES_MIN = 4096
/** A segment, a queue window or an index file is one mapping each. */
const MAP_COUNT_MIN = 65_530
const MEMORY_BYTES_MIN = 512 * MiB
/** Two segments of the usual size: the one that is written to and the next. */
const FREE_BYTES_MIN = 2 * GiB
const TRIED_BYTES = 64 * KiB

export function doctorCommand(world: CliWorld): Command {
  return new Command('doctor')
    .description('is this machine, and this directory, good for a store? which native code is active, and why?')
    .argument('[directory]', 'a store, or where one is to be', '.')
    .option('--json', 'print JSON on stdout, and nothing else')
    .action(async (directory: string, options: { json?: true }) => {
      const files = openRealFiles()
      const checks = [...machineChecks(files), ...directoryChecks(files, resolve(directory))]
      const verdict = worstOf(checks)
      if (options.json) await printJson(world, { verdict, checks })
      else await printLines(world, inWords(checks, verdict))
      if (verdict === 'failure') world.exit(EXIT.failure)
    })
}

function machineChecks(files: Files): Check[] {
  return [
    nodeCheck(),
    platformCheck(),
    nativeCheck(),
    mapperCheck(files),
    openFilesCheck(),
    mapCountCheck(),
    memoryCheck()
  ]
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [majorMin, minorMin] = NODE_VERSION_MIN
  const enough = major > majorMin || (major === majorMin && minor >= minorMin)
  const says = `${process.versions.node}${enough ? '' : `; ${majorMin}.${minorMin} or later is needed`}`
  return { name: 'Node.js', verdict: enough ? 'ok' : 'failure', says }
}

function platformCheck(): Check {
  const isTested = process.platform === 'linux'
  const says = `${process.platform}-${process.arch}, ${cpus().length} processors${isTested ? '' : '; Varve is tested on Linux'}`
  return { name: 'platform', verdict: isTested ? 'ok' : 'warning', says }
}

function nativeCheck(): Check {
  const facts = nativeFacts()
  if ('path' in facts) return { name: 'native bindings', verdict: 'ok', says: facts.path }
  return { name: 'native bindings', verdict: 'warning', says: facts.reason }
}

function mapperCheck({ mapper, mapperReason }: Files): Check {
  const says = `${mapper}: ${mapperReason}`
  return { name: 'mapper', verdict: mapper === 'plain' ? 'warning' : 'ok', says }
}

function openFilesCheck(): Check {
  const limit = openFilesLimit()
  if (limit === undefined) return { name: 'open files', verdict: 'ok', says: 'the limit is not known here' }
  if (limit === Number.POSITIVE_INFINITY) return { name: 'open files', verdict: 'ok', says: 'no limit' }
  const enough = limit >= OPEN_FILES_MIN
  const says = `${countInWords(limit)}${enough ? '' : '; thousands of queues want more: raise `ulimit -n`'}`
  return { name: 'open files', verdict: enough ? 'ok' : 'warning', says }
}

function mapCountCheck(): Check {
  const text = readIfThere('/proc/sys/vm/max_map_count')
  if (text === undefined) return { name: 'mappings', verdict: 'ok', says: 'the limit is not known here' }
  const enough = Number(text) >= MAP_COUNT_MIN
  const says = `${countInWords(Number(text))}${enough ? '' : '; raise vm.max_map_count'}`
  return { name: 'mappings', verdict: enough ? 'ok' : 'warning', says }
}

function memoryCheck(): Check {
  // A container's limit, in either version of control groups; `max` and absurdly large numbers mean none.
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']
    .map(readIfThere)
    .map(Number)
  const limit = Math.min(totalmem(), ...limits.filter(bytes => bytes > 0))
  const enough = limit >= MEMORY_BYTES_MIN
  const says = `${bytesInWords(limit)}${enough ? '' : '; segments and queues want room in memory'}`
  return { name: 'memory', verdict: enough ? 'ok' : 'warning', says }
}

function directoryChecks(files: Files, directory: string): Check[] {
  const place = existingAbove(directory)
  return [
    lockCheck(directory),
    fileSystemCheck(place),
    ...attemptCheck('allocation', () =>
      allocationCheck(files, hasSidecar(files, place) ? join(place, 'varve') : place)
    ),
    ...attemptCheck('free space', () => spaceCheck(files, place))
  ]
}

function lockCheck(directory: string): Check {
  const pid = lockHolder(join(directory, 'lock'))
  if (pid === undefined) return { name: 'lock', verdict: 'ok', says: `nobody has ${directory} open` }
  const who = pid === 0 ? 'another process' : `process ${pid}`
  return { name: 'lock', verdict: 'warning', says: `${who} has ${directory} open` }
}

/** Magic numbers of statfs(2) on Linux. */
const fileSystems: Readonly<
  Record<number, { readonly name: string; readonly isRemote?: true; readonly isMemory?: true }>
> = {
  61267: { name: 'ext4' },
  1481003842: { name: 'xfs' },
  2435016766: { name: 'btrfs' },
  2035054128: { name: 'overlayfs' },
  16914836: { name: 'tmpfs', isMemory: true },
  26985: { name: 'nfs', isRemote: true },
  4283649346: { name: 'cifs', isRemote: true },
  4266872130: { name: 'smb2', isRemote: true },
  16914839: { name: '9p', isRemote: true },
  1702057286: { name: 'fuse' },
  801189825: { name: 'zfs' }
}

function fileSystemCheck(place: string): Check {
  if (process.platform !== 'linux')
    return { name: 'file system', verdict: 'ok', says: `of ${place}: its kind is not known here` }
  const { type } = statfsSync(place)
  const kind = fileSystems[type >>> 0] ?? { name: `of type 0x${(type >>> 0).toString(16)}` }
  const trouble = kind.isRemote
    ? '; a store wants a local disk'
    : kind.isMemory
      ? '; nothing on it survives a restart'
      : ''
  return {
    name: 'file system',
    verdict: trouble === '' ? 'ok' : 'warning',
    says: `${kind.name}, at ${place}${trouble}`
  }
}

function allocationCheck(files: Files, place: string): Check {
  const path = join(place, `varve-doctor-${process.pid}`)
  try {
    const file = files.open(path, 'create')
    try {
      file.allocate(0, TRIED_BYTES, { keepSize: false })
    } finally {
      file.close()
    }
  } finally {
    files.remove(path)
  }
  const says = files.mapper === 'plain' ? 'not needed: files are not mapped' : 'blocks can be given ahead of writing'
  return { name: 'allocation', verdict: 'ok', says }
}

function spaceCheck(files: Files, place: string): Check {
  const { availableBytes, totalBytes } = files.space(place)
  const enough = availableBytes >= FREE_BYTES_MIN
  const says = `${bytesInWords(availableBytes)} of ${bytesInWords(totalBytes)}${enough ? '' : '; two segments of the usual size take 2 GiB'}`
  return { name: 'free space', verdict: enough ? 'ok' : 'warning', says }
}

function attemptCheck(name: string, check: () => Check): Check[] {
  try {
    return [check()]
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    return [{ name, verdict: 'failure', says: `${error.message}; ${error.hint}` }]
  }
}

/** The directory, or the nearest one above it that exists. */
function existingAbove(directory: string): string {
  let place = directory
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place)
  return place
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function worstOf(checks: readonly Check[]): Verdict {
  const verdicts = checks.map(({ verdict }) => verdict)
  return verdicts.includes('failure') ? 'failure' : verdicts.includes('warning') ? 'warning' : 'ok'
}

const summaries: Readonly<Record<Verdict, string>> = {
  ok: 'everything is in order',
  warning: 'a store works here; see the warnings',
  failure: 'a store does not work here'
}

function inWords(checks: readonly Check[], verdict: Verdict): string[] {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.map(
    ({ name, verdict: of, says }) => `${of.padEnd('warning'.length)}  ${name.padEnd(nameWidth)}  ${says}`
  )
  return [...lines, '', summaries[verdict]]
}
