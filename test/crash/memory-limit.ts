/** A group of processes that may use so much memory, page cache and mappings included: cgroups, where this user may make one. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'

const ROOT_V1 = '/sys/fs/cgroup/memory'
const ROOT_V2 = '/sys/fs/cgroup'

export interface MemoryLimit {
  /** Runs a command inside, in front of which it stands. */
  readonly command: readonly string[]
  /** Processes that the system has killed for want of memory. */
  oomKills(): number
  remove(): void
}

/** Files of this file system are memory themselves. */
const TMPFS = 0x01021994

/** Why there can be none for a store in the directory, or undefined. */
export function whyNoMemoryLimit(directory: string): string | undefined {
  if (statfsSync(directory).type === TMPFS) return `${directory} is itself in memory`
  const root = rootHere()
  if (root === undefined) return 'this system has no cgroups for memory'
  try {
    accessSync(root.path, constants.W_OK)
    return undefined
  } catch {
    return `${root.path} cannot be written`
  }
}

export function limitMemory(bytes: number): MemoryLimit {
  const root = rootHere()
  if (root === undefined) throw new Error('there are no cgroups for memory')
  const group = join(root.path, `varve-crash-${process.pid}`)
  mkdirSync(group, { recursive: true })
  const file = (name: string): string => join(group, name)
  writeFileSync(file(root.isV2 ? 'memory.max' : 'memory.limit_in_bytes'), String(bytes))
  return {
    command: ['sh', '-c', `echo $$ > ${file('cgroup.procs')}; exec "$@"`, 'sh'],
    oomKills() {
      const text = readFileSync(file(root.isV2 ? 'memory.events' : 'memory.oom_control'), 'utf8')
      return Number(text.match(/oom_kill (\d+)/)?.[1] ?? 0)
    },
    remove: () => rmdirSync(group)
  }
}

function rootHere(): { path: string; isV2: boolean } | undefined {
  if (existsSync(join(ROOT_V1, 'memory.limit_in_bytes'))) return { path: ROOT_V1, isV2: false }
  const controllers = join(ROOT_V2, 'cgroup.subtree_control')
  if (existsSync(controllers) && readFileSync(controllers, 'utf8').includes('memory'))
    return { path: ROOT_V2, isV2: true }
  return undefined
}
