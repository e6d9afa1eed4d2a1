/** A store that is behind refuses an append with STORE_BUSY; every case waits and tries again, as a program would. */
import { VarveError } from '../base/index.ts'
import type { Store } from '../store/index.ts'

export function isRefusal(error: unknown): boolean {
  return error instanceof VarveError && error.code === 'STORE_BUSY'
}

/** False if the call was refused; every other failure is the caller's. */
export function accepted(call: () => unknown): boolean {
  try {
    call()
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

/**
 * Calls until it is not refused. Callers that begin in some order are accepted in that order. Where nothing is refused,
 * which is nearly always, it adds no promise of its own to the call's.
 */
export function inTurn(store: Store) {
  let blocked: Promise<void> | undefined
  const whenWritable = async <Result>(call: () => Result | Promise<Result>): Promise<Result> => {
    while (blocked !== undefined) await blocked // Whoever waits first goes on first.
    return accept(call)
  }
  const accept = <Result>(call: () => Result | Promise<Result>): Result | Promise<Result> => {
    if (blocked !== undefined) return whenWritable(call)
    try {
      return call()
    } catch (error) {
      if (!isRefusal(error)) throw error
      blocked = store.writable().finally(() => {
        blocked = undefined
      })
      return whenWritable(call)
    }
  }
  return accept
}
