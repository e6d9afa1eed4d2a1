/** How many files the system lets this process have open, sockets included, and how many of them queues may take. */
import { readFileSync } from 'node:fs'

const QUEUE_FILES_OPEN_MIN = 1024
const QUEUE_FILES_OPEN_MAX = 65_536

/** Undefined where the system does not tell. */
export function openFilesLimit(): number | undefined {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return undefined
  }
  const soft = limits.match(/^Max open files\s+(\S+)/m)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

/** Of the files of queues that are written to: half of what the system allows, where that is many. The rest is for sockets. */
export function queueFilesOpenMax(limit = openFilesLimit() ?? 0): number {
  return Math.min(QUEUE_FILES_OPEN_MAX, Math.max(QUEUE_FILES_OPEN_MIN, Math.floor(limit / 2)))
}
