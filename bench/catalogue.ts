/** Every benchmark there is, in the order in which they run. */
import type { Benchmark } from './harness.ts'
import { layoutBenchmarks } from './layout/index.ts'
import { appendBenchmarks } from './store/append.bench.ts'
import { lifeBenchmarks } from './store/life.bench.ts'
import { readBenchmarks } from './store/read.bench.ts'

export const benchmarks: readonly Benchmark[] = [
  ...layoutBenchmarks,
  ...appendBenchmarks,
  ...readBenchmarks,
  ...lifeBenchmarks
]

/** Those whose name is, or begins with, one of `wanted`; all if nothing is wanted. */
export function chosen(wanted: readonly string[]): readonly Benchmark[] {
  for (const name of wanted) {
    if (!benchmarks.some(benchmark => isChosen(benchmark, name))) {
      throw new Error(
        `no benchmark is called ${name}; --list shows all: ${benchmarks.map(({ name }) => name).join(', ')}`
      )
    }
  }
  return wanted.length === 0
    ? benchmarks
    : benchmarks.filter(benchmark => wanted.some(name => isChosen(benchmark, name)))
}

function isChosen({ name }: Benchmark, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}/`)
}
