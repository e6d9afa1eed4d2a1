/** Every benchmark there is, in the order in which they run. */
import { brokerLifeBenchmarks } from './broker/life.bench.ts'
import { brokerLoadBenchmarks } from './broker/load.bench.ts'
import { longBenchmarks } from './broker/long.bench.ts'
import { pendingTimers } from './broker/pending-timers.bench.ts'
import { brokerScaleBenchmarks } from './broker/scale.bench.ts'
import { sqlFilter } from './broker/sql-filter.bench.ts'
import { timerSlot } from './broker/timer-slot.bench.ts'
import type { Benchmark } from './harness.ts'
import { layoutBenchmarks } from './layout/index.ts'
import { nativeBenchmarks } from './native-bindings/crc32.bench.ts'
import { protocolBenchmarks } from './protocol/index.ts'
import { appendBenchmarks } from './store/append.bench.ts'
import { lifeBenchmarks } from './store/life.bench.ts'
import { readBenchmarks } from './store/read.bench.ts'

export const benchmarks: readonly Benchmark[] = [
  ...layoutBenchmarks,
  ...nativeBenchmarks,
  ...protocolBenchmarks,
  ...appendBenchmarks,
  ...readBenchmarks,
  ...lifeBenchmarks,
  sqlFilter,
  timerSlot,
  ...brokerLoadBenchmarks,
  pendingTimers,
  ...brokerScaleBenchmarks,
  ...brokerLifeBenchmarks,
  ...longBenchmarks
]

/** Those of `from` whose name is, or begins with, one of `wanted`; all if nothing is wanted. */
export function chosen(from: readonly Benchmark[], wanted: readonly string[]): readonly Benchmark[] {
  const isChosen = ({ name }: Benchmark, part: string) => name === part || name.startsWith(`${part}/`)
  for (const part of wanted) {
    if (from.some(benchmark => isChosen(benchmark, part))) continue
    throw new Error(`no benchmark is called ${part}; there are ${from.map(({ name }) => name).join(', ')}`)
  }
  return wanted.length === 0 ? from : from.filter(benchmark => wanted.some(part => isChosen(benchmark, part)))
}
