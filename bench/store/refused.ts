/** A store that is behind refuses an append with STORE_BUSY; every case waits and tries again, as a program would. */
import { type Store, VarveError } from '../../src/index.ts'

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

/** Calls until it is not refused. Callers that begin in some order are accepted in that order. */
export function inTurn(store: Store) {
  let blocked: Promise<void> | undefined
  return async <Result>(call: () => Result): Promise<Result> => {
    for (;;) {
      if (blocked === undefined) {
        try {
          return call()
        } catch (error) {
          if (!isRefusal(error)) throw error
          blocked = store.writable().finally(() => {
            blocked = undefined
          })
        }
      }
      await blocked // Whoever waits first goes on first.
    }
  }
}
