import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { secondMs } from '../../src/base/index.ts'
import { startedUnlessStopped } from '../../src/cli/stopping.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Ends when it is told to. */
function slowStart() {
  let end: (made: string) => void = () => undefined
  const starting = new Promise<string>(resolve => {
    end = resolve
  })
  const stop = new AbortController()
  const outcome: (string | undefined)[] = []
  void startedUnlessStopped(starting, stop.signal).then(made => outcome.push(made))
  return { end, stop, outcome }
}

describe('a start', () => {
  test('that nobody stops takes as long as it takes', async () => {
    const { end, outcome } = slowStart()
    await vi.advanceTimersByTimeAsync(600 * secondMs)
    expect(outcome).toEqual([])
    end('made')
    await vi.advanceTimersByTimeAsync(0)
    expect(outcome).toEqual(['made'])
  })

  test('that is told to stop is waited for two seconds, and then given up', async () => {
    const { stop, outcome } = slowStart()
    await vi.advanceTimersByTimeAsync(60 * secondMs)
    stop.abort()
    await vi.advanceTimersByTimeAsync(2 * secondMs - 1)
    expect(outcome).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome).toEqual([undefined])
  })

  test('that is told to stop and ends soon is stopped in order', async () => {
    const { end, stop, outcome } = slowStart()
    stop.abort()
    await vi.advanceTimersByTimeAsync(secondMs)
    end('made')
    await vi.advanceTimersByTimeAsync(0)
    expect(outcome).toEqual(['made'])
  })

  test('that fails tells why', async () => {
    await expect(startedUnlessStopped(Promise.reject(new Error('no')), new AbortController().signal)).rejects.toThrow(
      'no'
    )
  })
})
