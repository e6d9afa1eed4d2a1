/**
 * The same two accidents for Varve's store and for Apache RocketMQ's own, 5.5.0: `node test/crash/compare-apache.mjs`.
 *
 * 1. One sync of the log fails (EIO) under synchronous flush; then the disk works again. How many messages are
 *    acknowledged after it? What the failed sync was to write is lost with the power, whatever later syncs say.
 * 2. One bit of one record flips in the first file of the log, long after it was written; the process is killed and the store
 *    opened again. How many messages are left?
 *
 * Needs `strace`, Java 17 and Maven, and `npm run build`. The Java side is that of test/compat. Prints one line for each.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { APACHE_VERSIONS, buildApache } from '../compat/apache-store.mjs'
import { commandLine } from '../compat/child.mjs'
import { makePlan } from '../compat/plan.mjs'

const VERSION = APACHE_VERSIONS[0]
const SEED = 7
const SYNCED = { stepCount: 200, failedSync: 40 }
const ROTTEN_STEPS = 600
const SIZES = { segmentBytes: 2 ** 16, queueFileBytes: 100 * 20, indexSlots: 100, indexItems: 400 }
/** In the body of the third record or behind it, well inside of the first file. */
const BIT = { atLeast: 4_000, bit: 3 }

const here = path => fileURLToPath(new URL(path, import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'varve-compare-'))

const java = home => [
  'java',
  ...['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dapachestore.log=OFF'],
  ...['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map(name => `--add-opens=java.base/${name}=ALL-UNNAMED`),
  ...['user.home', 'java.io.tmpdir', 'rocketmq.client.logRoot'].map(name => `-D${name}=${home}`),
  ...['-cp', here(`../compat/java/target/${VERSION}/lib/*`), 'apachestore.Main']
]
const sides = {
  varve: () => [process.execPath, here('../compat/varve-store.mjs')],
  apache: place => java(place)
}

buildApache(VERSION, line => process.stdout.write(`${line}\n`))
try {
  for (const [side, command] of Object.entries(sides)) {
    const place = mkdtempSync(join(root, `${side}-`))
    report(side, await failedSync(command(place), place))
  }
  for (const [side, command] of Object.entries(sides)) {
    const place = mkdtempSync(join(root, `${side}-`))
    report(side, await flippedBit(command(place), place))
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}

function report(side, text) {
  process.stdout.write(`${side === 'varve' ? 'Varve' : `Apache RocketMQ ${VERSION}`}: ${text}\n`)
}

async function failedSync(command, place) {
  const plan = planIn(place, SYNCED.stepCount)
  const trace = join(place, 'trace')
  const inject = `inject=msync,fdatasync:error=EIO:when=${SYNCED.failedSync}`
  const strace = ['strace', '-f', '-qq', '-ttt', '-o', trace, '-e', 'trace=msync,fdatasync', '-e', inject]
  const flags = commandLine({ dir: join(place, 'store'), ...SIZES, plan, flush: 'sync', end: 'clean' })
  let failedAt
  const { lines, end } = await run([...strace, ...command, 'write', ...flags], count => {
    failedAt ??= hasFailed(trace) ? count : undefined
  })
  const total = SYNCED.stepCount
  const after = failedAt === undefined ? 'nothing more' : `${lines.length - failedAt} more`
  return `sync ${SYNCED.failedSync} of a thread fails: ${lines.length} of ${total} appends are acknowledged, ${after} after the failure was seen; ends with ${end}`
}

function hasFailed(trace) {
  const file = openSync(trace, 'r')
  const bytes = Buffer.alloc(1 << 20)
  const count = readSync(file, bytes)
  closeSync(file)
  return bytes.subarray(0, count).includes('(INJECTED)')
}

async function flippedBit(command, place) {
  const dir = join(place, 'store')
  const plan = planIn(place, ROTTEN_STEPS)
  const written = await run([...command, 'write', ...commandLine({ dir, ...SIZES, plan, flush: 'sync', end: 'halt' })])
  const records = written.lines.map(({ physicalOffset, sizeBytes }) => ({ physicalOffset, sizeBytes }))
  const victim = records.find(({ physicalOffset }) => physicalOffset >= BIT.atLeast)
  flip(join(dir, 'commitlog', readdirSync(join(dir, 'commitlog')).sort()[0]), victim.physicalOffset + 100)
  const list = commandLine({ dir, ...SIZES })
  const listed = await run([...command, 'list', ...list])
  const count = lines => new Set(lines.filter(({ kind }) => kind === 'entry').map(line => line.physicalOffset)).size
  const log = listed.lines.find(({ kind }) => kind === 'log')
  return `one bit flips at ${victim.physicalOffset + 100} of ${records.at(-1).physicalOffset}: the log ends at ${log?.until}, queues have ${count(listed.lines)} messages; ends with ${listed.end}`
}

function planIn(place, stepCount) {
  const plan = join(place, 'plan')
  const steps = makePlan({ seed: SEED, stepCount, segmentBytes: SIZES.segmentBytes })
  writeFileSync(plan, steps.map(step => `${JSON.stringify(step)}\n`).join(''))
  return plan
}

function flip(path, at) {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  byte[0] ^= 1 << BIT.bit
  writeSync(file, byte, 0, 1, at)
  closeSync(file)
}

async function run([program, ...args], onLine = () => {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  const lines = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line))
    onLine(lines.length)
  }
  return { lines, end: await ended }
}
