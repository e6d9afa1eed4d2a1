/**
 * Slow: a disk whose every sync takes 50 to 2,000 ms, and once stands still, under a broker with clients (`strace` delays the
 * calls of the real threads).
 *
 * Proved: with synchronous flush no answer comes before a sync that began after the message has ended; the thread that
 * serves clients goes on (a question that needs no disk is answered as quickly as on a quick disk, or within 50 ms, for 99
 * of 100); memory stays within a bound; everything acknowledged is there after a kill.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, MiB, type Random, seededRandom } from '../../src/base/index.ts'
import { openStore } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { type BrokerChild, startBrokerChild } from './broker-child.ts'
import { createTopics } from './broker-load.ts'
import { Ledger } from './ledger.ts'
import { messageOf, QUEUES } from './messages.ts'
import { check } from './oracle.ts'
import { type Scenario, type Size, skipped, type Tally } from './scenario.ts'
import { whyNoStrace } from './strace.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, Wire } from './wire.ts'
import { placeOf, send } from './wire-messages.ts'

const OWN_TOPICS = new Set(QUEUES.map(({ topic }) => topic))
const BODY = { bytesMax: 8 * KiB, bytesMin: 1 }
const SYNC_MS: readonly number[] = [50, 200, 1_000, 2_000]
/** One stall, as of a disk that is reset. */
const STALL_MS: Readonly<Record<Size, number>> = { short: 2_500, medium: 15_000, long: 30_000 }
const LOAD_MS: Readonly<Record<Size, number>> = { short: 3_500, medium: 20_000, long: 60_000 }
const SYNCS = 'msync,fdatasync'
/** The call of a thread that stands still. */
const STALL_AT = 30
const ASK_EVERY_MS = 5
const P99_MS_MAX = 50
/** On a machine whose processors are busy even a quick disk does not make 50 ms. */
const P99_RATIO_MAX = 3
const MEMORY_BYTES_MAX = 400 * MiB
/** What rounding, and a clock of another process, may take from a delay. */
const SLACK_MS = 5

export const slow: Scenario = {
  name: 'slow',
  about: 'every sync takes 50 to 2,000 ms, and one stands still: no early answer, no thread that waits along',
  cases: { short: 1, medium: 4, long: 8 },
  lanes: 1,
  run: (seed, directory, size) => useSlowDisk(seed, directory, size)
}

/** `flushDiskType`: what the broker does, whatever is expected of it: for a control. */
export async function useSlowDisk(
  seed: number,
  directory: string,
  size: Size,
  flushDiskType = 'SYNC_FLUSH'
): Promise<Tally> {
  const missing = whyNoStrace()
  if (missing !== undefined) return skipped(`no disk is slow: ${missing}`)
  const random = seededRandom(seed)
  const syncMs = size === 'short' ? 200 : (SYNC_MS[seed % SYNC_MS.length] as number) // Inside, by the remainder.
  const on = (disk: string, delay: string, leastMs: number) =>
    measure({ store: join(directory, disk), random, size, command: strace(delay), leastMs, flushDiskType })
  // Traced as well, so that only the disk differs.
  const quick = await on('quick', '', 0)
  const delayed = await on('delayed', `delay_enter=${syncMs}ms`, syncMs)
  const stalled = await on('stalled', `delay_enter=${STALL_MS[size]}ms:when=${STALL_AT}`, 0)
  const worstMs = Math.max(P99_MS_MAX, P99_RATIO_MAX * quick.p99Ms)
  for (const [disk, { p99Ms }] of Object.entries({ delayed, stalled })) {
    if (p99Ms > worstMs)
      throw new Violation(`${disk}: p99 of an answer is ${p99Ms} ms, on a quick disk ${quick.p99Ms} ms`)
  }
  return {
    'ms per sync': syncMs,
    messages: delayed.messages + stalled.messages,
    'ms p99 quick': Math.round(quick.p99Ms),
    'ms p99 slow': Math.round(Math.max(delayed.p99Ms, stalled.p99Ms))
  }
}

function strace(delay: string): string[] {
  const inject = delay === '' ? [] : ['-e', `inject=${SYNCS}:${delay}`]
  return ['strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${SYNCS}`, ...inject]
}

interface Measured {
  readonly messages: number
  readonly p99Ms: number
}

interface Measuring {
  readonly store: string
  readonly random: Random
  readonly size: Size
  readonly command: readonly string[]
  /** A synchronous answer takes so long at least. */
  readonly leastMs: number
  readonly flushDiskType: string
}

async function measure({ store, random, size, command, leastMs, flushDiskType }: Measuring): Promise<Measured> {
  const ledger = new Ledger(random.uint32(), BODY)
  const broker = await startBrokerChild(store, { flushDiskType }, { command })
  try {
    const wire = await Wire.open(broker.port)
    await createTopics(wire)
    const untilMs = performance.now() + LOAD_MS[size]
    const senders = QUEUES.map((_, queue) => sendUntil(broker.port, { ledger, queue, untilMs, leastMs }))
    const [p99Ms, ...sent] = await Promise.all([askUntil(wire, untilMs), ...senders])
    const messages = sent.reduce((sum, count) => sum + count, 0)
    wire.close()
    checkMemory(broker)
    await broker.kill()
    const open = () => openStore({ directory: store, threads: 'none', flush: 'sync' })
    const isElsewhere = (topic: string): boolean => !OWN_TOPICS.has(topic)
    const place = { directory: store, files: openRealFiles(), open }
    await check(place, ledger, { survives: 'appended', order: 'queue', isElsewhere })
    return { messages, p99Ms }
  } finally {
    broker.signal('SIGKILL')
  }
}

interface Sender {
  readonly ledger: Ledger
  readonly queue: number
  readonly untilMs: number
  readonly leastMs: number
}

/** One message after the other. Returns how many were acknowledged. */
async function sendUntil(port: number, { ledger, queue, untilMs, leastMs }: Sender): Promise<number> {
  const wire = await Wire.open(port)
  let count = 0
  while (performance.now() < untilMs) {
    const id = ledger.nextId
    ledger.intend(id, 1, queue, false)
    const sentMs = performance.now()
    const answer = await send(wire, messageOf(ledger.seed, id, queue, BODY))
    const tookMs = performance.now() - sentMs
    if (answer.code === ANSWER.flushTimeout) continue // It may be there; nobody promises it.
    if (answer.code !== ANSWER.success) {
      ledger.refused(id, 1)
      continue
    }
    if (tookMs < leastMs - SLACK_MS) {
      throw new Violation(
        `an answer came after ${tookMs.toFixed(1)} ms, on a disk that takes ${leastMs} ms for each sync`
      )
    }
    ledger.appended(id, 1, placeOf(answer))
    count++
  }
  wire.close()
  return count
}

/** Asks what needs no disk, again and again. Returns how long 99 of 100 answers took at most. */
async function askUntil(wire: Wire, untilMs: number): Promise<number> {
  const tookMs: number[] = []
  const [queue] = QUEUES as [(typeof QUEUES)[number]] // There is at least one.
  while (performance.now() < untilMs) {
    const askedMs = performance.now()
    await wire.call(CODE.maxOffset, { ...queue })
    tookMs.push(performance.now() - askedMs)
    await new Promise(resolve => setTimeout(resolve, ASK_EVERY_MS))
  }
  return tookMs.sort((a, b) => a - b)[Math.floor(0.99 * tookMs.length)] as number // There was at least one.
}

function checkMemory({ pid }: BrokerChild): void {
  const resident = Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^RssAnon:\s+(\d+) kB/m)?.[1]) * KiB
  if (resident > MEMORY_BYTES_MAX) throw new Violation(`the broker holds ${Math.round(resident / MiB)} MiB`)
}
