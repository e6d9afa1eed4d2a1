/** `varve bench` on a running broker and on a store: what it reports is what was done, and nothing stays behind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reportsIn } from '../../src/load/index.ts'
import { REQUEST } from '../../src/protocol/index.ts'
import { connectTo } from '../support/remoting-client.ts'
import { type Run, type RunningVarve, startVarve, varve, varveInterrupted } from './varve.ts'

const ANY = '127.0.0.1:0'
const SMALL = [
  'mappedFileSizeCommitLog=4194304',
  'mappedFileSizeConsumeQueue=20000',
  'maxHashSlotNum=1000',
  'maxIndexNum=4000'
]
const COUNT = 2000

let running: RunningVarve
let broker = ''
let nameServer = ''
let directory = ''

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'varve-bench-cli-'))
  running = startVarve([
    ...['start', '--json', '--store', join(directory, 'data'), '--listen', ANY, '--nameserver', ANY, '--http', 'off'],
    ...SMALL.flatMap(pair => ['--set', pair])
  ])
  const first = await running.first
  broker = first.broker as string
  nameServer = first.nameServer as string
})

afterAll(async () => {
  running.kill('SIGKILL')
  await running.ended
  rmSync(directory, { recursive: true, force: true })
})

function reportOf({ stdout, stderr }: Run) {
  expect(stderr).toBe('')
  const [report] = reportsIn('stdout', stdout)
  const [measured] = report?.medians ?? []
  if (report === undefined || measured === undefined) throw new Error(`no report: ${stdout}`)
  return { report, measured }
}

async function topics(): Promise<string> {
  const client = await connectTo(broker)
  const { body } = await client.call(REQUEST.GET_ALL_TOPIC_CONFIG, {}, { timeoutMs: 10_000 })
  client.close('done')
  return new TextDecoder().decode(body)
}

const small = ['--count', String(COUNT), '--size', '64', '--connections', '2']

describe('a broker', () => {
  test('is sent exactly as many messages as asked for, in each round, and its topics are gone after it', async () => {
    const args = ['--rounds', '2', '--topics', '20', '--queues', '4']
    const { report, measured } = reportOf(await varve('bench', 'send', '--broker', broker, ...small, ...args, '--json'))
    expect(report.runs.map(([run]) => run?.messages)).toEqual([COUNT, COUNT])
    expect(measured.rate).toBeGreaterThan(0)
    expect(measured.p99Us).toBeGreaterThan(measured.p50Us ?? Number.POSITIVE_INFINITY)
    expect(measured.settings).toMatchObject({ load: 'send', bodyBytes: 64, topicCount: 20 })
    expect(await topics()).not.toContain('varve-bench')
  })

  test('is found by its name server, and takes a fixed rate whose latency counts from when each was due', async () => {
    const args = ['--nameserver', nameServer, '--rate', '20000']
    const { measured } = reportOf(await varve('bench', 'send', ...args, ...small, '--json'))
    expect(measured.messages).toBe(COUNT)
    expect(measured.settings).toMatchObject({ load: 'fixed-rate', rate: 20_000 })
    expect(measured.details.ownDelayP99Us).toBeGreaterThan(0)
  })

  test('hands everything on from senders to consumers', async () => {
    const { measured } = reportOf(await varve('bench', 'e2e', '--broker', broker, ...small, '--json'))
    expect(measured.messages).toBe(COUNT)
    expect(measured.p50Us).toBeGreaterThan(0)
  })

  test('is read from: what is kept of a topic, once and whole', async () => {
    await varve('bench', 'send', '--broker', broker, ...small, '--topic', 'kept', '--keep')
    const { measured } = reportOf(await varve('bench', 'consume', '--broker', broker, '--topic', 'kept-0', '--json'))
    expect(measured.messages).toBe(COUNT)
    expect(measured.details.recordBytesPerMessage).toBeGreaterThan(64)
    expect(await topics()).toContain('kept-0')
  })

  test('is read from: a backlog that is made for it', async () => {
    const { measured } = reportOf(
      await varve('bench', 'consume', '--broker', broker, '--backlog', '500', ...small, '--json')
    )
    expect(measured.messages).toBeGreaterThanOrEqual(COUNT)
    expect(await topics()).not.toContain('varve-bench')
  })

  test('is told in words, with the CPU of its process, and the load ends early when it is interrupted', async () => {
    const args = ['--broker', broker, '--connections', '2', '--size', '64', '--warm-up', '0', '--seconds', '600']
    const { status, stdout } = await varveInterrupted(
      { word: 'messages/s', signal: 'SIGINT' },
      'bench',
      'send',
      ...args
    )
    expect(status).toBe(0)
    expect(stdout).toMatch(/messages +[\d,]+ in \d+\.\d s: [\d,]+\/s/)
    expect(stdout).toMatch(/CPU +[\d.]+ us a message/)
    expect(await topics()).not.toContain('varve-bench')
  })

  test('that is not there is said in one line', async () => {
    const { status, stderr } = await varve('bench', 'send', '--broker', '127.0.0.1:1')
    expect(status).toBe(1)
    expect(stderr).toMatch(/^varve: PEER_UNREACHABLE[^\n]*\n$/)
  })

  test('without the topic that is to be read is said so', async () => {
    const { status, stderr } = await varve('bench', 'consume', '--broker', broker, '--topic', 'nowhere')
    expect([status, stderr]).toEqual([1, expect.stringContaining('TOPIC_UNKNOWN')])
  })
})

describe('a store', () => {
  test.each([
    { how: 'as fast as it goes', args: [] },
    { how: 'by writers that wait', args: ['--window', '8', '--flush', 'sync'] },
    { how: 'in batches', args: ['--batch', '50'] }
  ])('is appended to $how, and removed', async ({ args }) => {
    const place = join(directory, 'store')
    const sized = ['--count', '1000', '--size', '100', '--segment-bytes', String(2 ** 20)]
    const { measured } = reportOf(await varve('bench', 'store', place, ...sized, ...args, '--json'))
    expect(measured.messages).toBe(1000)
    expect(readdirSync(place)).toEqual([])
  })
})

describe('two reports', () => {
  async function reportFile(name: string, ...args: readonly string[]): Promise<string> {
    const sized = ['--count', '1000', '--size', '100', '--segment-bytes', String(2 ** 20), '--json']
    const { stdout } = await varve('bench', 'store', join(directory, 'store'), ...sized, ...args)
    const file = join(directory, name)
    writeFileSync(file, stdout)
    return file
  }

  test('are compared: what differs in their settings, and how many figures', async () => {
    const [a, b] = [await reportFile('a.json'), await reportFile('b.json', '--batch', '50')]
    const { status, stdout } = await varve('bench', 'compare', a, b)
    expect(status).toBe(0)
    expect(stdout).toMatch(/cli\/store store, batchCount +1 +50/)
    expect(stdout).toMatch(/\d+ figures? beyond the noise, \d+ within it/)
  })

  test('fail the run if asked for, where something got worse', async () => {
    const a = await reportFile('a.json')
    const slower = readFileSync(a, 'utf8').replaceAll(/"rate":[\d.]+/g, '"rate":1')
    writeFileSync(join(directory, 'slower.json'), slower)
    const worse = await varve('bench', 'compare', a, join(directory, 'slower.json'), '--fail-if-worse')
    expect([worse.status, worse.stdout]).toEqual([1, expect.stringContaining('WORSE')])
    expect((await varve('bench', 'compare', a, a, '--fail-if-worse')).status).toBe(0)
  })
})
