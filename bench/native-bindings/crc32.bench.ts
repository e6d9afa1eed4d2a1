/** A scan checks the body of every record: what a call for each costs, against one call for many. */
import { crc32 } from 'node:zlib'
import { loadNative } from '../../native-bindings/index.ts'
import { type Benchmark, compare } from '../harness.ts'

function crcOfMany(name: string, bodyBytes: number): Benchmark {
  const benchmark: Benchmark = {
    name: `native-bindings/${name}`,
    question: `CRC-32 of bodies of ${bodyBytes} B: one native call for 1,024 of them, against zlib.crc32 for each`,
    run: options => {
      const count = options.smoke ? 16 : 1024
      const bytes = new Uint8Array(count * bodyBytes).map((_, at) => at * 31 + (at >> 7))
      const ranges = Float64Array.from({ length: 2 * count }, (_, i) => ((i + 1) >> 1) * bodyBytes)
      const sums = new Uint32Array(count)
      const byZlib = () => {
        for (let i = 0; i < count; i++) sums[i] = crc32(bytes.subarray(ranges[2 * i], ranges[2 * i + 1]))
        return { count, hash: sums.reduce((all, sum) => (Math.imul(all, 31) + sum) | 0, 0) }
      }
      const { native } = loadNative()
      const byNative = () => {
        native?.crc32Many(bytes, ranges, count, sums)
        return { count, hash: sums.reduce((all, sum) => (Math.imul(all, 31) + sum) | 0, 0) }
      }
      if (native === undefined)
        options.progress(`${benchmark.name}: the native bindings are not built, so zlib runs against itself`)
      return compare(benchmark, options, {
        reference: byZlib,
        candidate: native === undefined ? byZlib : byNative,
        ratioMax: 1.1
      })
    }
  }
  return benchmark
}

export const nativeBenchmarks: readonly Benchmark[] = [crcOfMany('crc32-128', 128), crcOfMany('crc32-1k', 1024)]
