import { expect, test } from 'vitest'
import type { Benchmark } from '../../bench/harness.ts'
import { Progress } from '../../bench/progress.ts'

const named = (name: string): Benchmark => ({
  name,
  question: '',
  run: () => Promise.reject(new Error('unused'))
})

test('each line says which of how many, how long so far, and about how long the rest takes', () => {
  let written = ''
  const benchmarks = [named('layout/a'), named('broker/b')]
  const progress = new Progress(benchmarks, {
    write: text => {
      written += text
    }
  })
  progress.begin(benchmarks[0]!)
  progress.say('layout/a: 5 rounds')
  progress.begin(benchmarks[1]!)
  progress.say('  broker/b: varve')
  expect(written).toMatch(
    /^\[1\/2\] 0:00, about 0:13 in all {2}layout\/a: 5 rounds\n\[2\/2\] 0:00, about \d+:\d\d left {2}broker\/b: varve\n$/
  )
})
