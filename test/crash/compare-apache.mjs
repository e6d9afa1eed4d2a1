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
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync
} from 'node:fs'
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
/** In the body of a record well inside of the first file. */
const BIT = { atLeast: 4_000, into: 100, bit: 3 }

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
    report(side, await flippedBit(command(place), place, side))
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
  const strace = ['strace', '-f', '-qq', '-o', trace, '-e', 'trace=msync,fdatasync,write', '-e', inject]
  const flags = commandLine({ dir: join(place, 'store'), ...SIZES, plan, flush: 'sync', end: 'clean' })
  const { lines, end } = await run([...strace, ...command, 'write', ...flags])
  // Each acknowledgement is a line of its own on stdout, so the trace tells which came after the failure.
  const calls = readFileSync(trace, 'latin1').split('\n')
  const failedAt = calls.findIndex(call => call.includes('(INJECTED)'))
  const after = calls.slice(failedAt).filter(call => /write\(1, "\{/.test(call)).length
  const total = SYNCED.stepCount
  return `a sync fails: ${lines.length} of ${total} appends are acknowledged, ${after} of them after the failure; ends with ${end}`
}

async function flippedBit(command, place, side) {
  const dir = join(place, 'store')
  const plan = planIn(place, ROTTEN_STEPS)
  const written = await run([...command, 'write', ...commandLine({ dir, ...SIZES, plan, flush: 'sync', end: 'halt' })])
  const records = written.lines.map(({ physicalOffset, sizeBytes }) => ({ physicalOffset, sizeBytes }))
  const victim = records.find(({ physicalOffset }) => physicalOffset >= BIT.atLeast)
  flip(join(dir, 'commitlog', readdirSync(join(dir, 'commitlog')).sort()[0]), victim.physicalOffset + BIT.into)
  const { logEnd, messages, damaged } = side === 'varve' ? await readVarve(dir) : await readApache(command, dir)
  const where = `one bit flips at ${victim.physicalOffset + BIT.into} of ${records.at(-1).physicalOffset}`
  return `${where}: the log ends at ${logEnd}, queues have ${messages} messages${damaged}`
}

async function readVarve(directory) {
  const { openStore } = await import('../../dist/src/index.js')
  const store = await openStore({ directory, threads: 'none' })
  let messages = 0
  let damaged = 0
  for (const topic of store.topics()) {
    for (const queueId of store.queues(topic)) {
      const max = store.maxOffset({ topic, queueId })
      for (let offset = store.minOffset({ topic, queueId }); offset < max; ) {
        const read = await store.read({ topic, queueId, offset })
        messages += read.messages.length
        damaged += read.damaged.length
        offset = read.nextOffset
      }
    }
  }
  const logEnd = store.info().appendedUntil
  await store.close()
  return { logEnd, messages, damaged: `, ${damaged} is reported as damaged` }
}

async function readApache(command, dir) {
  const { lines } = await run([...command, 'list', ...commandLine({ dir, ...SIZES })])
  const logEnd = lines.find(({ kind }) => kind === 'log')?.until
  const messages = new Set(lines.filter(({ kind }) => kind === 'entry').map(line => line.physicalOffset)).size
  return { logEnd, messages, damaged: '' }
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

async function run([program, ...args]) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  const lines = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line))
  return { lines, end: await ended }
}
