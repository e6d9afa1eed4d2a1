/** `varve dlq` against a running broker: what it finds, what it sends again, and what it says when that is not all. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { field, REQUEST, RESPONSE, type RemotingConnection } from '../../src/protocol/index.ts'
import { connectTo } from '../support/remoting-client.ts'
import { jsonLines, jsonOf, type RunningVarve, startVarve, varve } from './varve.ts'

const ANY = '127.0.0.1:0'
const SMALL = [
  'mappedFileSizeCommitLog=1048576',
  'mappedFileSizeConsumeQueue=20000',
  'maxHashSlotNum=1000',
  'maxIndexNum=4000'
]
const TIMEOUT_MS = 10_000

let running: RunningVarve
let broker = ''
let nameServer = ''
let client: RemotingConnection
let directory = ''

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'varve-dlq-'))
  running = startVarve([
    ...['start', '--json', '--store', join(directory, 'data'), '--listen', ANY, '--nameserver', ANY, '--http', ANY],
    ...SMALL.flatMap(pair => ['--set', pair])
  ])
  const first = await running.first
  broker = first.broker as string
  nameServer = first.nameServer as string
  client = await connectTo(broker)
})

afterAll(async () => {
  client.close('done')
  running.kill('SIGKILL')
  await running.ended
  rmSync(directory, { recursive: true, force: true })
})

async function send(topic: string, body: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const properties = Object.entries({ UNIQ_KEY: `U-${body}`, ...more }).map(
    ([name, value]) => `${name}\u0001${value}\u0002`
  )
  const answer = await client.call(
    REQUEST.SEND_MESSAGE,
    {
      producerGroup: 'p',
      topic,
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: 1,
      queueId: 0,
      sysFlag: 0,
      bornTimestamp: 1_700_000_000_000,
      flag: 5,
      properties: properties.join(''),
      reconsumeTimes: 0,
      unitMode: false,
      batch: false
    },
    { body: Buffer.from(body), timeoutMs: TIMEOUT_MS }
  )
  expect(answer.code).toBe(RESPONSE.SUCCESS)
  return answer.text(field('msgId')) as string
}

/** Sends it and gives it up for the group, at once. */
async function kill(
  group: string,
  topic: string,
  body: string,
  more?: Readonly<Record<string, string>>
): Promise<string> {
  const id = await send(topic, body, more)
  const offset = Number.parseInt(id.slice(16), 16)
  const fields = { group, offset, delayLevel: -1, originMsgId: id, originTopic: topic, unitMode: false }
  const answer = await client.call(REQUEST.CONSUMER_SEND_MSG_BACK, fields, { timeoutMs: TIMEOUT_MS })
  expect(answer.code).toBe(RESPONSE.SUCCESS)
  return id
}

async function bodiesOf(topic: string): Promise<string[]> {
  const fields = { topic, queueId: 0 }
  const until = (await client.call(REQUEST.GET_MAX_OFFSET, fields, { timeoutMs: TIMEOUT_MS })).long(field('offset'))
  const exported = await varve('dlq', 'export', topic.replace('%DLQ%', ''), '--broker', broker)
  expect(jsonLines(exported)).toHaveLength(until)
  return jsonLines(exported).map(({ body }) => Buffer.from(body as string, 'base64').toString())
}

const maxOffset = async (topic: string) =>
  (await client.call(REQUEST.GET_MAX_OFFSET, { topic, queueId: 0 }, { timeoutMs: TIMEOUT_MS })).long(field('offset'))

describe('varve dlq list', () => {
  test('tells which groups have dead letters, through the name server and of one broker', async () => {
    await kill('lists', 'orders', 'a')
    await kill('lists', 'orders', 'b')
    for (const flags of [
      ['--nameserver', nameServer],
      ['--broker', broker]
    ]) {
      const run = await varve('dlq', 'list', '--json', ...flags)
      expect(run.status).toBe(0)
      expect(jsonLines(run)).toContainEqual(expect.objectContaining({ group: 'lists', count: 2 }))
    }
    const words = await varve('dlq', 'list', '--broker', broker)
    expect(words.stdout).toMatch(/^lists .* 2$/m)
  })

  test.each([
    { filter: ['--tag', 'red'], found: ['r1', 'r2'] },
    { filter: ['--key', 'k2'], found: ['r2'] },
    { filter: ['--origin', 'refunds'], found: ['x'] },
    { filter: ['--id', 'U-r1', 'U-x'], found: ['r1', 'x'] },
    { filter: ['--from', '1', '--to', '1'], found: ['r2'] },
    { filter: ['--limit', '2'], found: ['r1', 'r2'] },
    { filter: ['--since', '2000-01-01T00:00:00Z'], found: ['r1', 'r2', 'x'] },
    { filter: ['--before', '2000-01-01T00:00:00Z'], found: [] },
    { filter: ['--tag', 'red', '--key', 'k1'], found: ['r1'] }
  ])('finds of a group what $filter lets pass', async ({ filter, found }) => {
    const group = `filtered-${filter.join('').replace(/[^a-z0-9]/gi, '')}`
    await kill(group, 'orders', 'r1', { TAGS: 'red', KEYS: 'k1' })
    await kill(group, 'orders', 'r2', { TAGS: 'red', KEYS: 'k2 k3' })
    await kill(group, 'refunds', 'x')
    const run = await varve('dlq', 'list', group, '--broker', broker, '--json', ...filter)
    expect(jsonLines(run).map(({ uniqueKey }) => uniqueKey)).toEqual(found.map(body => `U-${body}`))
    expect(run.status).toBe(0)
  })

  test('says that there are none, and fails where nobody answers', async () => {
    expect((await varve('dlq', 'list', 'nobody', '--broker', broker)).stdout).toBe('no dead letters\n')
    const unreachable = await varve('dlq', 'list', '--broker', '127.0.0.1:1', '--json')
    expect(unreachable.status).toBe(1)
    expect(jsonOf(unreachable)).toMatchObject({ error: { code: 'PEER_UNREACHABLE' } })
  })
})

describe('varve dlq show', () => {
  test('shows all of one: by its offset, the id of its first message, or that of its producer', async () => {
    const first = await kill('shows', 'orders', 'whole', { own: 'x', KEYS: 'k' })
    for (const id of ['0', first, 'U-whole']) {
      const shown = jsonOf(await varve('dlq', 'show', 'shows', id, '--broker', broker, '--json'))
      expect(shown).toMatchObject({
        group: 'shows',
        offset: 0,
        uniqueKey: 'U-whole',
        origin: 'orders',
        originId: first,
        reconsumeTimes: 1,
        keys: ['k'],
        body: Buffer.from('whole').toString('base64'),
        properties: { own: 'x', DLQ_ORIGIN_TOPIC: 'orders', DLQ_ORIGIN_MESSAGE_ID: first }
      })
    }
    expect((await varve('dlq', 'show', 'shows', '0', '--broker', broker)).stdout).toMatch(/^whole$/m)
  })

  test('fails if there is none', async () => {
    const run = await varve('dlq', 'show', 'shows', '99', '--broker', broker, '--json')
    expect(run.status).toBe(1)
    expect(jsonOf(run)).toMatchObject({ error: { code: 'MESSAGE_NOT_FOUND' } })
  })
})

describe('varve dlq export', () => {
  test('writes them whole to a new file, and leaves one alone that is there', async () => {
    await kill('exports', 'orders', 'e1')
    await kill('exports', 'orders', 'e2')
    const output = join(directory, 'letters.jsonl')
    const args = ['dlq', 'export', 'exports', '--broker', broker, '--output', output]
    expect((await varve(...args)).stdout).toBe(`2 dead letters in ${output}\n`)
    const lines = readFileSync(output, 'utf8').trim().split('\n')
    expect(lines.map(line => Buffer.from(JSON.parse(line).body, 'base64').toString())).toEqual(['e1', 'e2'])
    const again = await varve(...args)
    expect(again.status).toBe(1)
    expect(again.stderr).toContain('EEXIST')
    expect(existsSync(output)).toBe(true)
  })
})

describe('varve dlq requeue', () => {
  test('sends them to where they came from as they were, without what retrying has added', async () => {
    await kill('requeues', 'source', 'q1', { own: 'x', TAGS: 't', KEYS: 'k', DELAY: '0' })
    const run = await varve('dlq', 'requeue', 'requeues', '--all', '--nameserver', nameServer, '--json')
    expect(run.status).toBe(0)
    const [sent, summary] = jsonLines(run)
    expect(sent).toMatchObject({ outcome: 'sent', offset: 0, topic: 'source' })
    expect(summary).toEqual({ group: 'requeues', sent: 1, failed: 0, partial: false, nextOffset: null })

    // Given up once more, it tells what was sent.
    const offset = Number.parseInt(String(sent?.newId).slice(16), 16)
    const fields = { group: 'again', offset, delayLevel: -1, originMsgId: '', originTopic: 'source', unitMode: false }
    await client.call(REQUEST.CONSUMER_SEND_MSG_BACK, fields, { timeoutMs: TIMEOUT_MS })
    const shown = jsonOf(await varve('dlq', 'show', 'again', '0', '--broker', broker, '--json'))
    expect(shown).toMatchObject({ uniqueKey: 'U-q1', tag: 't', reconsumeTimes: 1, originId: sent?.newId })
    expect(shown.bornAt).toBe(new Date(1_700_000_000_000).toISOString())
    expect(await bodiesOf('%DLQ%requeues')).toEqual(['q1'])
  })

  test('without a word which ones are meant sends nothing', async () => {
    const run = await varve('dlq', 'requeue', 'requeues', '--broker', broker)
    expect(run.status).toBe(2)
    expect(run.stderr).toContain('--all')
  })

  test('says what it would do, and does not, with --dry-run', async () => {
    await kill('dry', 'dry-source', 'd1')
    const before = await maxOffset('dry-source')
    const run = await varve('dlq', 'requeue', 'dry', '--all', '--dry-run', '--broker', broker)
    expect(run).toMatchObject({ status: 0, stdout: '1 dead letter would be sent\n' })
    expect(await maxOffset('dry-source')).toBe(before)
  })

  test('reports what it could do in part as in part: each that failed, and by its exit status', async () => {
    await kill('partly', 'gone', 'lost')
    await kill('partly', 'stays', 'kept')
    const deleted = await client.call(REQUEST.DELETE_TOPIC_IN_BROKER, { topic: 'gone' }, { timeoutMs: TIMEOUT_MS })
    expect(deleted.code).toBe(RESPONSE.SUCCESS)
    const before = await maxOffset('stays')
    const run = await varve('dlq', 'requeue', 'partly', '--all', '--broker', broker, '--json')
    expect(run.status).toBe(1)
    expect(jsonLines(run)).toMatchObject([
      { outcome: 'failed', offset: 0, topic: 'gone', error: { code: 'PEER_REFUSED' } },
      { outcome: 'sent', offset: 1, topic: 'stays' },
      { group: 'partly', sent: 1, failed: 1, partial: true }
    ])
    expect(await maxOffset('stays')).toBe(before + 1)
    const words = await varve('dlq', 'requeue', 'partly', '--all', '--broker', broker)
    expect(words.stdout).toBe('in part: 1 dead letter sent, 1 not\n')
    expect(words.stderr).toContain('offset 0')
  })

  test('stops at a limit and says where to go on', async () => {
    for (const body of ['l1', 'l2', 'l3']) await kill('limited', 'limited-source', body)
    const run = await varve('dlq', 'requeue', 'limited', '--all', '--limit', '2', '--broker', broker)
    expect(run).toMatchObject({ status: 0, stdout: '2 dead letters sent; go on with --from 2 (--limit)\n' })
    const rest = await varve(
      'dlq',
      'requeue',
      'limited',
      '--from',
      '2',
      '--topic',
      'elsewhere-source',
      '--broker',
      broker
    )
    expect(rest.status).toBe(1) // There is no such topic, and none is made.
    const last = await varve('dlq', 'requeue', 'limited', '--from', '2', '--broker', broker)
    expect(last.stdout).toBe('1 dead letter sent\n')
  })
})
