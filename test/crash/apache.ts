/**
 * What Apache RocketMQ's own store finds in a directory, compared with the ledger: a reader that shares no line with ours.
 * Without Java, or before test/compat has built its part, it is skipped, and says so.
 */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { MiB } from '../../src/base/index.ts'
import { SMALL_FILES } from './broker-child.ts'
import type { Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { skipped } from './scenario.ts'
import { Violation } from './violation.ts'

const VERSION = '5.5.0'
const LIST_MS_MAX = 120_000
const OUTPUT_BYTES_MAX = 512 * MiB
const OPENS = ['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map(name => `--add-opens=java.base/${name}=ALL-UNNAMED`)
const JVM = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dapachestore.log=OFF', ...OPENS]
/** From dist-crash/test/crash. */
const LIBRARIES = fileURLToPath(new URL(`../../../test/compat/java/target/${VERSION}/lib/`, import.meta.url))

interface Line {
  readonly kind: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly bodyHash: string
}

/** Returns how many messages of the ledger it has found, or undefined where it cannot run. @throws Violation */
export async function checkByApache(store: string, ledger: Ledger): Promise<number | undefined> {
  const missing = whatIsMissing()
  if (missing !== undefined) {
    skipped(`no reading by Apache RocketMQ's own store: ${missing}`)
    return undefined
  }
  const lines = await list(store)
  const records = new Map(lines.filter(({ kind }) => kind === 'record').map(line => [line.physicalOffset, line]))
  const entries = new Map(lines.filter(({ kind }) => kind === 'entry').map(line => [nameOf(line), line.physicalOffset]))
  let read = 0
  for (const { id, state, queueIndex, queueOffset, physicalOffset } of ledger.entries) {
    if (state === 'gone') continue
    const queue = QUEUES[queueIndex] as (typeof QUEUES)[number] // The ledger knows no other numbers.
    const at = entries.get(nameOf({ ...queue, queueOffset: queueOffset as number }))
    if (at !== physicalOffset) throw new Violation(`Apache finds message ${id} at ${at}, not at ${physicalOffset}`)
    const body = ledger.message(id).body as Uint8Array
    const hash = createHash('sha256').update(body).digest('hex')
    if (records.get(at as number)?.bodyHash !== hash) throw new Violation(`Apache reads another body of message ${id}`)
    read++
  }
  return read
}

const nameOf = ({ topic, queueId, queueOffset }: Pick<Line, 'topic' | 'queueId' | 'queueOffset'>): string =>
  `${topic}/${queueId}/${queueOffset}`

function whatIsMissing(): string | undefined {
  if (spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0) return '`java` cannot be run'
  if (existsSync(LIBRARIES) && readdirSync(LIBRARIES).includes('apache-store.jar')) return undefined
  return 'it is not built; `npm run test:compat -- --short` builds it'
}

/** Of a copy: its own threads write to what they read. */
async function list(store: string): Promise<Line[]> {
  const home = mkdtempSync(join(tmpdir(), 'varve-crash-apache-'))
  try {
    cpSync(store, join(home, 'store'), { recursive: true })
    const places = ['user.home', 'java.io.tmpdir', 'rocketmq.client.logRoot'].map(name => `-D${name}=${home}`)
    const sizes = {
      'segment-bytes': SMALL_FILES.mappedFileSizeCommitLog,
      'queue-file-bytes': SMALL_FILES.mappedFileSizeConsumeQueue,
      'index-slots': SMALL_FILES.maxHashSlotNum,
      'index-items': SMALL_FILES.maxIndexNum
    }
    const flags = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, value as string])
    const args = [
      ...JVM,
      ...places,
      '-cp',
      join(LIBRARIES, '*'),
      'apachestore.Main',
      'list',
      '--dir',
      join(home, 'store')
    ]
    const options = { timeout: LIST_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX }
    const { stdout } = await promisify(execFile)('java', [...args, ...flags, '--index-safe'], options)
    return stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Line)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
