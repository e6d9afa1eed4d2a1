/** Jobs of a store in a thread of the pool: each is plain data, performed on files of the thread's own. */
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { report } from '../base/index.ts'
import { type Files, type Job, type JobResults, type MapperKind, openRealFiles, performJob } from '../store/index.ts'
import type { JobAnswer } from './store-threads.ts'

let files: Files | undefined

export default async function runJob({ job, mapper }: { job: Job; mapper: MapperKind }): Promise<JobAnswer> {
  files ??= openRealFiles({ mapper })
  try {
    const result = await performJob(files, job)
    // The type of a result follows from that of its job.
    return job.type === 'fetch' ? handOver({ result }, result as JobResults['fetch']) : { result }
  } catch (error) {
    return { error: report(error) } // The code crosses over; the class does not.
  }
}

/** What a fetch has read belongs to whoever asked for it, without another copy. */
function handOver(answer: JobAnswer, ranges: readonly { copy: Uint8Array }[]): JobAnswer {
  const movable = {
    [transferableSymbol]: ranges.map(({ copy }) => copy.buffer as ArrayBuffer), // Made by the job, never shared.
    [valueSymbol]: answer
  }
  return move(movable) as unknown as JobAnswer // Piscina sends the value in its place.
}
