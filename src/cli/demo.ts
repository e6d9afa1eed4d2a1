/**
 * `varve demo`: a store at work, without a broker round it. It appends messages, reads them back behind itself, shows how
 * fast, checks that what came back is what went in, and closes. So a user sees what the engine does on this disk.
 *
 * The load goes into a topic of its own and never into a store that holds anything else. What it leaves on disk is
 * bounded: old segments are deleted once they have been read.
 */
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { MiB, openHash, type RunningHash, VarveError } from '../base/index.ts'
import { openStore } from '../embedded.ts'
import { openRealFiles, type Store } from '../store/index.ts'
import { type CliWorld, EXIT, facts, ProgressLine, printJson, printLines } from './terminal.ts'
import { bytesInWords, countInWords, durationInWords } from './words.ts'

const DIRECTORY_DEFAULT = 'varve-demo'
const TOPIC = 'varve-demo'
const QUEUE_COUNT = 4
const BODY_BYTES = 1024
const SECONDS_DEFAULT = 5
const SECONDS_MAX = 86_400
const SEGMENT_BYTES = 64 * MiB
const LOG_BYTES_MAX = 512 * MiB
/** Appended in one go; the reader takes its turn in between. */
const SLICE_MESSAGES = 512
const CLEAN_INTERVAL_MS = 500

interface DemoOptions {
  readonly store: string
  readonly seconds: number
  readonly json?: true
}

export function demoCommand(world: CliWorld): Command {
  return new Command('demo')
    .description('runs a store with a visible load for a few seconds, and checks what it reads back')
    .option('--store <directory>', 'where the store is', DIRECTORY_DEFAULT)
    .option('--seconds <n>', 'how long; 0 goes on until it is interrupted', seconds, SECONDS_DEFAULT)
    .option('--json', 'print the result as JSON on stdout, and nothing else')
    .action((options: DemoOptions) => demo(world, options))
}

async function demo(world: CliWorld, options: DemoOptions): Promise<void> {
  const directory = resolve(options.store)
  refuseForeign(directory)
  const say = (line: string): Promise<void> => (options.json ? Promise.resolve() : printLines(world, [line]))
  const store = await openStore({
    directory,
    segmentBytes: SEGMENT_BYTES,
    indexSlots: 100_000,
    indexItems: 1_000_000,
    retention: { intervalMs: 0, totalBytesMax: LOG_BYTES_MAX, mayDelete: ({ until }) => until <= load.readUntil }
  })
  const load = new Load(store, await openHash(), world)
  const { mapper, mapperReason } = store.info()
  await say(`store in ${directory}, mapped by ${mapper} (${mapperReason})`)
  await say(
    `appending and reading back messages of ${bytesInWords(BODY_BYTES)} for ${durationOf(options)}; Ctrl-C ends it`
  )
  let result: LoadResult
  try {
    result = await load.run(options.seconds * 1000)
  } finally {
    await store.close()
  }
  const { isIntact } = result
  if (options.json) await printJson(world, { directory, mapper, ...result })
  else await printLines(world, inWords(directory, result))
  if (!isIntact) world.exit(EXIT.failure)
}

function seconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !(number >= 0 && number <= SECONDS_MAX))
    throw new InvalidArgumentError(`It must be a number from 0 to ${SECONDS_MAX}.`)
  return number
}

const durationOf = ({ seconds }: DemoOptions): string => (seconds === 0 ? 'as long as it is let' : `${seconds} s`)

/** A user's store is no place for a load. */
function refuseForeign(directory: string): void {
  const topics = openRealFiles().list(join(directory, 'consumequeue'))
  const other = topics.find(topic => topic !== TOPIC)
  if (other === undefined) return
  const range = 'a directory that is new, empty or of an earlier `varve demo`'
  throw new VarveError('OPTION_INVALID', { option: '--store', value: directory, holdsTopic: other, range })
}

interface LoadResult {
  readonly seconds: number
  readonly appended: number
  readonly read: number
  readonly appendedPerSecond: number
  readonly readPerSecond: number
  readonly bytesPerSecond: number
  /** Most messages that were appended and not yet read. */
  readonly lagMax: number
  /** Until the last message was on disk, after the last append. */
  readonly flushedMs: number
  readonly segmentsDeleted: number
  /** xxHash64 over all bodies as they were read, queue by queue. */
  readonly hash: string
  /** As many messages came back as went in, with the same bytes in the same order. */
  readonly isIntact: boolean
}

interface LoadQueue {
  readonly queueId: number
  nextRead: number
  readonly written: RunningHash
  readonly read: RunningHash
}

class Load {
  /** Everything below has been read back. */
  readUntil = 0
  readonly #store: Store
  readonly #world: CliWorld
  readonly #queues: readonly LoadQueue[]
  readonly #progress: ProgressLine
  #appended = 0
  #read = 0
  #bytes = 0
  #lagMax = 0
  #segmentsDeleted = 0

  constructor(store: Store, hash: { startXxh64(): RunningHash }, world: CliWorld) {
    this.#store = store
    this.#world = world
    this.#progress = new ProgressLine(world)
    this.#queues = Array.from({ length: QUEUE_COUNT }, (_, queueId) => ({
      queueId,
      nextRead: store.maxOffset({ topic: TOPIC, queueId }),
      written: hash.startXxh64(),
      read: hash.startXxh64()
    }))
  }

  async run(durationMs: number): Promise<LoadResult> {
    const { clock, interrupted } = this.#world
    const startedMs = clock.monotonicMs()
    const elapsed = (): number => clock.monotonicMs() - startedMs
    let cleanedMs = 0
    while (!interrupted.aborted && (durationMs === 0 || elapsed() < durationMs)) {
      await this.#appendSlice()
      this.#lagMax = Math.max(this.#lagMax, this.#appended - this.#read)
      await this.#readSlice()
      this.#show(elapsed())
      // Reading what is in memory waits for nothing: without a pause no signal would ever be heard.
      await new Promise(resolve => setImmediate(resolve))
      if (elapsed() > cleanedMs + CLEAN_INTERVAL_MS) {
        cleanedMs = elapsed()
        this.#segmentsDeleted += (await this.#store.clean({ ignoreHours: true })).length
      }
    }
    const appendedMs = elapsed()
    await this.#store.flushed()
    const flushedMs = elapsed() - appendedMs
    while (this.#read < this.#appended && (await this.#readSlice()) > 0);
    const readMs = elapsed()
    this.#progress.end()
    return this.#result({ appendedMs, flushedMs, readMs })
  }

  async #appendSlice(): Promise<void> {
    const store = this.#store
    const body = new Uint8Array(BODY_BYTES)
    const number = new DataView(body.buffer)
    try {
      for (let i = 0; i < SLICE_MESSAGES; i++) {
        const queue = this.#queues[this.#appended % QUEUE_COUNT] as LoadQueue // The remainder is below the count.
        number.setFloat64(0, this.#appended)
        const { sizeBytes } = store.append({ topic: TOPIC, queueId: queue.queueId, body, tag: 'load' })
        queue.written.update(body)
        this.#appended++
        this.#bytes += sizeBytes
      }
    } catch (error) {
      if (!(error instanceof VarveError) || !error.retryable) throw error
      await store.writable()
    }
  }

  async #readSlice(): Promise<number> {
    let count = 0
    let until = Number.POSITIVE_INFINITY
    for (const queue of this.#queues) {
      const { queueId } = queue
      const { messages, nextOffset, damaged } = await this.#store.read({
        topic: TOPIC,
        queueId,
        offset: queue.nextRead,
        countMax: SLICE_MESSAGES
      })
      if (damaged[0] !== undefined) throw damaged[0]
      for (const { body } of messages) queue.read.update(body)
      queue.nextRead = nextOffset
      const last = messages.at(-1)
      if (last !== undefined) until = Math.min(until, last.physicalOffset)
      count += messages.length
    }
    if (count > 0 && until < Number.POSITIVE_INFINITY) this.readUntil = Math.max(this.readUntil, until)
    this.#read += count
    return count
  }

  #show(elapsedMs: number): void {
    const perSecond = (count: number): string => countInWords(count / (Math.max(elapsedMs, 1) / 1000))
    const lag = this.#appended - this.#read
    this.#progress.show(
      `${(elapsedMs / 1000).toFixed(1)} s  ${perSecond(this.#appended)} appended/s  ${perSecond(this.#read)} read/s  lag ${countInWords(lag)}`
    )
  }

  #result({ appendedMs, flushedMs, readMs }: { appendedMs: number; flushedMs: number; readMs: number }): LoadResult {
    const hashes = this.#queues.map(({ read, written }) => ({ read: read.digest(), written: written.digest() }))
    const hash = hashes.reduce((sum, { read }) => BigInt.asUintN(64, sum * 31n + read), 0n)
    return {
      seconds: appendedMs / 1000,
      appended: this.#appended,
      read: this.#read,
      appendedPerSecond: Math.round(this.#appended / (appendedMs / 1000)),
      readPerSecond: Math.round(this.#read / (readMs / 1000)),
      bytesPerSecond: Math.round(this.#bytes / (appendedMs / 1000)),
      lagMax: this.#lagMax,
      flushedMs: Math.round(flushedMs * 10) / 10,
      segmentsDeleted: this.#segmentsDeleted,
      hash: hash.toString(16).padStart(16, '0'),
      isIntact: this.#read === this.#appended && hashes.every(({ read, written }) => read === written)
    }
  }
}

function inWords(directory: string, result: LoadResult): string[] {
  const perSecond = (count: number): string => `${countInWords(count)} messages/s`
  const bound = `at most ${bytesInWords(LOG_BYTES_MAX + 2 * SEGMENT_BYTES)} of log are kept, also over later runs`
  return [
    '',
    ...facts([
      [
        'appended',
        `${countInWords(result.appended)} messages, ${perSecond(result.appendedPerSecond)}, ${bytesInWords(result.bytesPerSecond)}/s`
      ],
      [
        'read back',
        `${countInWords(result.read)} messages, ${perSecond(result.readPerSecond)}, at most ${countInWords(result.lagMax)} behind`
      ],
      ['on disk', `${durationInWords(result.flushedMs)} after the last append`],
      ['checked', result.isIntact ? `count and hash agree (${result.hash})` : 'what came back is NOT what went in'],
      ['files', `${directory}: ${bound}`]
    ]),
    '',
    'next:',
    `  npx varve store info ${directory}      what is in it`,
    `  npx varve store verify ${directory}    every record, queue and index checked`,
    '  npx varve start            a broker that RocketMQ clients talk to',
    '  README.md                  ten lines that use the store in your own program',
    '  npm run bench              beside lmdb, SQLite and LevelDB on this disk'
  ]
}
