/** Whether what comes out of each queue is in the order in which it was numbered when it was sent. */
import { loadFailure } from './failure.ts'
import type { SendTarget } from './request-frame.ts'

/** @throws VarveError LOAD_FAILED, from what it returns, for a message that has been overtaken or came twice */
export function orderCheck(): (number: number, queue: SendTarget) => void {
  const lastOf = new Map<string, number>()
  return (number, { topic, queueId }) => {
    const key = `${topic} ${queueId}`
    const last = lastOf.get(key) ?? -1
    if (number <= last) throw loadFailure(`message ${number} came behind ${last} in queue ${queueId} of ${topic}`)
    lastOf.set(key, number)
  }
}
