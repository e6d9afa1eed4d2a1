/** What a signal means to a verb that is still starting, and to one that goes on until it is told to stop. */
import { secondMs } from '../base/index.ts'

/** So long a start may still take to its end, from which it can be stopped in order. */
const GRACE_MS = 2 * secondMs

/**
 * What `starting` makes; undefined if it is told to stop and not there soon. A recovery may take minutes, in which nothing
 * is promised to anybody: whoever gives it up leaves what a crash would.
 */
export async function startedUnlessStopped<Made>(
  starting: Promise<Made>,
  stop: AbortSignal
): Promise<Made | undefined> {
  await Promise.race([starting, aborted(stop)])
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), GRACE_MS)
  })
  return await Promise.race([starting, late]).finally(() => clearTimeout(timer))
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
