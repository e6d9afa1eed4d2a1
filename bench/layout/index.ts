import type { Benchmark } from '../harness.ts'
import { consumeQueueEntry } from './consume-queue-entry.bench.ts'
import { javaHashing } from './java-hash.bench.ts'
import { locateRecords } from './locate.bench.ts'
import { recordDecode } from './record-decode.bench.ts'
import { recordEncode } from './record-encode.bench.ts'

export const layoutBenchmarks: readonly Benchmark[] = [
  consumeQueueEntry,
  recordEncode,
  recordDecode,
  locateRecords,
  javaHashing
]
