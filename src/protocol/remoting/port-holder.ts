/**
 * Who listens on a port that is taken, as far as the system tells: for the error that a user reads when a second broker
 * is started beside the first. Linux only, and only processes that this one may look at.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** State LISTEN in /proc/net/tcp. */
const LISTENING = '0A'
/** Columns of /proc/net/tcp. */
const LOCAL_ADDRESS = 1
const STATE = 3
const INODE = 9

/** Such as `java (pid 4711)`; undefined if nothing can be found out. */
export function portHolder(port: number): string | undefined {
  const pid = portHolderPid(port)
  return pid === undefined ? undefined : `${linesOf(`/proc/${pid}/comm`)[0] ?? 'a process'} (pid ${pid})`
}

export function portHolderPid(port: number): number | undefined {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap(table => listeningInodes(linesOf(table), port)))
  if (sockets.size === 0) return undefined
  const pid = namesIn('/proc')
    .filter(name => /^\d+$/.test(name))
    .find(pid => namesIn(`/proc/${pid}/fd`).some(fd => sockets.has(inodeOf(`/proc/${pid}/fd/${fd}`))))
  return pid === undefined ? undefined : Number(pid)
}

function listeningInodes(lines: readonly string[], port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return lines
    .map(line => line.trim().split(/\s+/))
    .filter(columns => columns[LOCAL_ADDRESS]?.endsWith(suffix) && columns[STATE] === LISTENING)
    .map(columns => columns[INODE] ?? '')
}

function inodeOf(path: string): string {
  return /^socket:\[(\d+)\]$/.exec(quietly(() => readlinkSync(path)) ?? '')?.[1] ?? 'none'
}

function linesOf(path: string): readonly string[] {
  return (quietly(() => readFileSync(path, 'utf8')) ?? '').split('\n')
}

function namesIn(directory: string): readonly string[] {
  return quietly(() => readdirSync(directory)) ?? []
}

/** Processes end, and some may not be looked at, while they are being looked at: then there is nothing to tell. */
function quietly<Result>(look: () => Result): Result | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
