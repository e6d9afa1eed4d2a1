/** Jobs of a store in a thread of the pool: each is plain data, performed on files of the thread's own. */
import { move } from 'piscina'
import { report } from '../base/index.ts'
import { type Files, type Job, type MapperKind, openRealFiles, performJob } from '../store/index.ts'
import type { JobAnswer } from './store-threads.ts'

let files: Files | undefined

export default async function runJob({ job, mapper }: { job: Job; mapper: MapperKind }): Promise<JobAnswer> {
  files ??= openRealFiles({ mapper })
  try {
    const result = await performJob(files, job)
    return { result: Array.isArray(result) ? result.map(withoutCopy) : result }
  } catch (error) {
    return { error: report(error) } // The code crosses over; the class does not.
  }
}

/** What a fetch has read is handed over, not copied once more. */
function withoutCopy<T extends { copy: Uint8Array }>(range: T): T {
  return { ...range, copy: move(range.copy) as unknown as Uint8Array } // Piscina unwraps it on the way.
}
