import type { Benchmark } from '../harness.ts'
import { headerScan } from './header-scan.bench.ts'
import { idleConnections } from './idle-connections.bench.ts'
import { readSends } from './read-send.bench.ts'
import { writeAnswers } from './write-answer.bench.ts'

export const protocolBenchmarks: readonly Benchmark[] = [readSends, headerScan, writeAnswers, idleConnections]
