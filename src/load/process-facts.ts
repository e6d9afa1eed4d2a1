/** What the system says of another process: the CPU that all its threads used, and its memory. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** Of user and system time in /proc/<pid>/stat; the same on every Linux that Node runs on. */
const TICK_US = 10_000
/** Counted after the name of the program, which may hold blanks and brackets: state is the first. */
const USER_TIME_FIELD = 11
const SYSTEM_TIME_FIELD = 12

/** Microseconds since the process began, all threads, JIT and garbage collection included; in steps of 10 ms. */
export function processCpuUs(pid: number): number {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return processCpuUsByPs(pid)
  const text = readFileSync(file, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[USER_TIME_FIELD]) + Number(fields[SYSTEM_TIME_FIELD])) * TICK_US
}

/** Where there is no /proc: coarser, and good enough to see which side is larger. */
function processCpuUsByPs(pid: number): number {
  const text = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  const seconds = text.split(/[:-]/).reduce((sum, part) => sum * 60 + Number(part), 0)
  return seconds * 1e6
}

/** Resident memory that no file stands behind, which the system cannot take back; as far as the system tells. */
export function privateMiB(pid: number): number | undefined {
  const file = `/proc/${pid}/status`
  if (!existsSync(file)) return undefined
  const kiB = [...readFileSync(file, 'utf8').matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].map(([, text]) =>
    Number(text)
  )
  return kiB.length === 0 ? undefined : kiB.reduce((sum, part) => sum + part, 0) / 1024
}

export interface ResidentMemory {
  readonly rssMiB: number
  /** Pages of files below the directory belong to the page cache: the system takes them back whenever it wants to. */
  readonly ofFilesMiB: number
  readonly mappingCount: number
}

/** From the system's list of mappings, where it has one; elsewhere all is counted as resident, and only of this process. */
export function residentMemory(directory: string, pid: number | 'self' = 'self'): ResidentMemory {
  if (process.platform !== 'linux') {
    return { rssMiB: process.memoryUsage.rss() / 2 ** 20, ofFilesMiB: 0, mappingCount: 0 }
  }
  let rssKiB = 0
  let ofFilesKiB = 0
  let mappingCount = 0
  let ofStore = false
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) {
      ofStore = line.includes(`${directory}/`)
      mappingCount += Number(ofStore)
    } else if (line.startsWith('Rss:')) {
      const kiB = Number.parseInt(line.slice(4), 10)
      rssKiB += kiB
      if (ofStore) ofFilesKiB += kiB
    }
  }
  return { rssMiB: rssKiB / 1024, ofFilesMiB: ofFilesKiB / 1024, mappingCount }
}
