import { describe, expect, test } from 'vitest'
import { GiB, openLog, secondMs } from '../../src/base/index.ts'
import { recoveryNews } from '../../src/cli/recovery-news.ts'
import { SettableClock } from '../support/settable-clock.ts'

/** A recovery of 8 GiB that gets on by one GiB every two seconds. */
function recovered({ isTerminal }: { isTerminal: boolean }): { written: string[]; logged: string[] } {
  const clock = new SettableClock()
  const written: string[] = []
  const logged: string[] = []
  const stderr = {
    isTerminal,
    write: async (text: string) => {
      written.push(text)
    }
  }
  const news = recoveryNews({ stderr, clock }, openLog({ sink: line => logged.push(line), clock }))
  for (let done = 0; done <= 8; done++) {
    news.show({ doneBytes: done * GiB, totalBytes: 8 * GiB })
    clock.advance(2 * secondMs)
  }
  news.end()
  return { written, logged }
}

describe('a long recovery', () => {
  test('is one line of a terminal, which is gone at its end', () => {
    const { written, logged } = recovered({ isTerminal: true })
    expect(written.slice(0, 2)).toEqual([
      expect.stringMatching(/^\rrecovering +0 B of 8\.00 GiB/),
      expect.stringMatching(/^\rrecovering +1\.00 GiB of 8\.00 GiB/)
    ])
    expect(written.at(-1)).toMatch(/^\r +\r$/)
    expect(logged).toEqual([])
  })

  test('is a line of the log every five seconds where nobody watches', () => {
    const { written, logged } = recovered({ isTerminal: false })
    expect(written).toEqual([])
    expect(logged.map(line => JSON.parse(line))).toMatchObject([
      { event: 'recovering', doneBytes: 3 * GiB, totalBytes: 8 * GiB },
      { event: 'recovering', doneBytes: 6 * GiB }
    ])
  })
})
