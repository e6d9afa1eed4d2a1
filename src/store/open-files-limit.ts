/** How many files the system lets this process have open, sockets included. */
import { readFileSync } from 'node:fs'

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
