/** Reading one queue from end to end, warm: as views of the mapped records, decoded, and what the peers do. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { alternate, type Benchmark, caseProcess, runCaseFile } from '../harness.ts'
import { peerProcess } from '../peers/contender.ts'
import type { ReadSettings } from './read.case.ts'
import { storeOptions } from './sizes.ts'

const COUNT = 1_000_000
const SMOKE_COUNT = 2000
const BODY_BYTES = 1024

const readSequential: Benchmark = {
  name: 'store/read-sequential',
  question: 'reading a queue of 1 KiB messages from its first to its last',
  run: async options => {
    const count = options.smoke ? SMOKE_COUNT : COUNT
    const data = join(options.directory, `read-sequential-${process.pid}`)
    options.progress(`${readSequential.name}: writing ${count.toLocaleString('en')} messages`)
    try {
      await runCaseFile('store/prepare.case.ts', {
        directory: data,
        messages: count,
        bodyBytes: BODY_BYTES,
        queueCount: 1,
        options: storeOptions(options)
      })
      const varve = (as: ReadSettings['as']) =>
        caseProcess(as, 'store/read.case.ts', { data, as, options: storeOptions(options) })
      // A peer fills its own database in each run; only the walk is timed, and it follows a first walk that warms.
      const peer = (name: 'lmdb' | 'level' | 'sqlite') =>
        peerProcess(name, { mode: 'read', extent: { count }, bodyBytes: BODY_BYTES })
      return await alternate(readSequential, options, {
        contenders: [varve('views'), varve('decoded'), peer('lmdb'), peer('level'), peer('sqlite')],
        bounds: [
          { side: 'views', of: 'rate', atLeast: 3_000_000 },
          { side: 'decoded', of: 'rate', atLeast: 1_000_000 },
          { side: 'views', against: 'lmdb', of: 'rate', atLeast: 1 },
          { side: 'decoded', against: 'lmdb', of: 'rate', atLeast: 1 }
        ]
      })
    } finally {
      rmSync(data, { recursive: true, force: true })
    }
  }
}

export const readBenchmarks: readonly Benchmark[] = [readSequential]
