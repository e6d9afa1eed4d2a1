import type { Benchmark } from '../harness.ts'
import { idleConnections } from './idle-connections.bench.ts'
import { readSends } from './read-send.bench.ts'
import { writeAnswers } from './write-answer.bench.ts'

export const protocolBenchmarks: readonly Benchmark[] = [readSends, writeAnswers, idleConnections]
