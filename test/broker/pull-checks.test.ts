/** What a pull is refused for, in RocketMQ's order, and with which filter the others read. */
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import { groupConfig, PULL_FLAG, type PullRequest, parseSubscription, topicConfig } from '../../src/broker/index.ts'
import {
  codeOf,
  type DataPath,
  type DataPathOptions,
  draft,
  GROUP,
  openDataPath,
  TestLink,
  TOPIC
} from '../support/data-path.ts'

/** A pull by the subscription of its group. */
const OF_GROUP: Partial<PullRequest> = { sysFlag: 0, subscriptionVersion: 1 }
const SQL = { expression: 'a > 1', expressionType: 'SQL92' }

interface Case {
  readonly what: string
  readonly config?: DataPathOptions['config']
  readonly given?: (path: DataPath) => void
  readonly pull?: Partial<PullRequest>
  readonly code: string | undefined
  readonly type?: number
}

const subscribed = (path: DataPath): void => void path.subscribe('*')
const registered = (version: number): DataPathOptions['expressions'] => ({
  registered: () => ({ version, filter: { acceptsTag: () => true } }),
  compile: () => ({ acceptsTag: () => true })
})

/** In the order of the checks. */
const cases: readonly Case[] = [
  { what: 'from a slave', config: { brokerRole: 'SLAVE' }, code: 'BROKER_BUSY' },
  { what: 'from a slave for reading', config: { brokerRole: 'SLAVE', slaveReadEnable: true }, code: undefined },
  { what: 'from a broker for writing', config: { brokerPermission: 2 }, code: 'PERMISSION_DENIED', type: 1 },
  {
    what: 'of a lite consumer where there are none',
    config: { litePullMessageEnable: false },
    pull: { sysFlag: PULL_FLAG.hasSubscription | PULL_FLAG.lite },
    code: 'PERMISSION_DENIED',
    type: 1
  },
  { what: 'of any other consumer there', config: { litePullMessageEnable: false }, code: undefined },
  { what: 'of a new group', pull: { group: 'fresh' }, code: undefined },
  { what: 'of a group without a proper name', pull: { group: 'a b' }, code: 'GROUP_UNKNOWN' },
  {
    what: 'of a new group where none are made',
    config: { autoCreateSubscriptionGroup: false },
    pull: { group: 'fresh' },
    code: 'GROUP_UNKNOWN'
  },
  {
    what: 'of a group that may not consume',
    given: ({ tables }) => tables.groups.update(groupConfig(GROUP, { mayConsume: false })),
    code: 'PERMISSION_DENIED',
    type: 2
  },
  { what: 'of an unknown topic', pull: { topic: 'nowhere' }, code: 'TOPIC_UNKNOWN' },
  {
    what: 'of a topic for writing',
    given: ({ tables }) => void tables.topics.update(topicConfig(TOPIC, { perm: 2 })),
    code: 'PERMISSION_DENIED',
    type: 3
  },
  { what: 'of queue -1', pull: { queueId: -1 }, code: 'QUEUE_ID_INVALID' },
  { what: 'of the last queue', pull: { queueId: 3 }, code: undefined },
  { what: 'of a queue behind the last', pull: { queueId: 4 }, code: 'QUEUE_ID_INVALID' },
  { what: 'with a subscription without a tag', pull: { expression: '||' }, code: 'FILTER_INVALID' },
  { what: 'with a subscription to everything', pull: { expression: '' }, code: undefined },
  { what: 'of a group nobody is in', pull: OF_GROUP, code: 'SUBSCRIPTION_UNKNOWN' },
  {
    what: 'by broadcast of a group that may not',
    given: path => {
      path.tables.groups.update(groupConfig(GROUP, { mayBroadcast: false }))
      path.subscribe('*', { messageModel: 'BROADCASTING' })
    },
    pull: OF_GROUP,
    code: 'PERMISSION_DENIED',
    type: 4
  },
  {
    what: 'by broadcast of a group that may',
    given: path => void path.subscribe('*', { messageModel: 'BROADCASTING' }),
    pull: OF_GROUP,
    code: undefined
  },
  {
    what: 'of a topic forbidden to the group',
    given: path => {
      path.subscribe('*')
      path.tables.groups.setForbidden({ group: GROUP, topic: TOPIC, bit: 0, isForbidden: true })
    },
    pull: OF_GROUP,
    code: 'PERMISSION_DENIED',
    type: 5
  },
  {
    what: 'of a topic that the group has not subscribed to',
    given: path => void path.subscribe('*', { topic: 'others' }),
    pull: OF_GROUP,
    code: 'SUBSCRIPTION_UNKNOWN'
  },
  {
    what: 'by a newer subscription than the broker knows',
    given: subscribed,
    pull: { sysFlag: 0, subscriptionVersion: 2 },
    code: 'SUBSCRIPTION_STALE'
  },
  {
    what: 'by an older one',
    given: subscribed,
    pull: { sysFlag: 0, subscriptionVersion: 0 },
    code: undefined
  },
  {
    what: 'by an expression that nobody registered',
    config: { enablePropertyFilter: true },
    given: path => void path.subscribe('a > 1', { expressionType: 'SQL92' }),
    pull: OF_GROUP,
    code: 'FILTER_DATA_MISSING'
  },
  { what: 'with an expression where there are tags alone', pull: SQL, code: 'FILTER_DISABLED' },
  { what: 'with an expression', config: { enablePropertyFilter: true }, pull: SQL, code: undefined },
  {
    what: 'of a consumer that is not registered where it has to be',
    config: { rejectPullConsumerEnable: true },
    given: subscribed,
    pull: { ...OF_GROUP, link: new TestLink() },
    code: 'SUBSCRIPTION_UNKNOWN'
  },
  {
    what: 'of one that is',
    config: { rejectPullConsumerEnable: true },
    given: subscribed,
    pull: OF_GROUP,
    code: undefined
  },
  {
    what: 'of a group of pull consumers there',
    config: { rejectPullConsumerEnable: true },
    given: path => void path.subscribe('*', { consumeType: 'CONSUME_ACTIVELY' }),
    pull: { sysFlag: PULL_FLAG.hasSubscription },
    code: 'SUBSCRIPTION_UNKNOWN'
  }
]

const stored = (path: DataPath): void => void path.sending.send(draft('m'))

describe('a pull', () => {
  test.each(cases)('$what: $code $type', async ({ config = {}, given, pull = {}, code, type }) => {
    await using path = await openDataPath()
    stored(path)
    given?.(path)
    Object.assign(path.config, config)
    const { answer } = path.pull(pull)
    if (code === undefined) expect(answer).toHaveProperty('status')
    else expect(codeOf(answer)).toBe(code)
    if (type !== undefined) expect(answer).toMatchObject({ details: { forbiddenType: type } })
  })

  test('that breaks several rules is refused for the first', async () => {
    await using path = await openDataPath()
    Object.assign(path.config, { brokerRole: 'SLAVE', brokerPermission: 2, litePullMessageEnable: false })
    const { groups, topics } = path.tables
    groups.update(groupConfig('other', { mayConsume: false }))
    const sysFlag = PULL_FLAG.lite | PULL_FLAG.hasSubscription
    const pull = { group: 'a b', topic: 'nowhere', queueId: 99, expression: '||', sysFlag }
    const next = (change: () => void = () => undefined): unknown => {
      change()
      const { answer } = path.pull(pull)
      const { forbiddenType = '' } = answer instanceof VarveError ? answer.details : {}
      return `${codeOf(answer)} ${forbiddenType}`.trim()
    }
    expect([
      next(),
      next(() => Object.assign(path.config, { brokerRole: 'ASYNC_MASTER' })),
      next(() => Object.assign(path.config, { brokerPermission: 6 })),
      next(() => Object.assign(path.config, { litePullMessageEnable: true })),
      next(() => Object.assign(pull, { group: 'other' })),
      next(() => groups.update(groupConfig('other'))),
      next(() => {
        topics.update(topicConfig(TOPIC, { perm: 2 }))
        pull.topic = TOPIC
      }),
      next(() => topics.update(topicConfig(TOPIC))),
      next(() => Object.assign(pull, { queueId: 0 })),
      next(() => Object.assign(pull, { sysFlag: 0 }))
    ]).toEqual([
      'BROKER_BUSY',
      'PERMISSION_DENIED 1',
      'PERMISSION_DENIED 1',
      'GROUP_UNKNOWN',
      'PERMISSION_DENIED 2',
      'TOPIC_UNKNOWN',
      'PERMISSION_DENIED 3',
      'QUEUE_ID_INVALID',
      'FILTER_INVALID',
      'SUBSCRIPTION_UNKNOWN'
    ])
  })

  test('is refused in the words that people look for', async () => {
    await using path = await openDataPath({ config: { brokerRole: 'SLAVE' } })
    expect(path.pull().answer).toMatchObject({
      details: { reason: '[REJECTREQUEST]system busy, start flow control for a while' }
    })
  })

  test('that is refused leaves no offset and makes no group', async () => {
    await using path = await openDataPath({ config: { brokerPermission: 2 } })
    path.pull({ group: 'fresh', sysFlag: PULL_FLAG.commits, commitOffset: 5 })
    expect(path.tables.groups.find('fresh')).toBeUndefined()
    expect(path.tables.offsets.find({ topic: TOPIC, group: 'fresh', queueId: 0 })).toBeUndefined()
  })

  test('by expression reads with the filter that was registered, if it is not older than the consumer', async () => {
    const asked: Partial<PullRequest> = { sysFlag: 0, subscriptionVersion: 5 }
    const answers = [4, 5].map(async version => {
      await using path = await openDataPath({ expressions: registered(version) as never })
      stored(path)
      path.config.enablePropertyFilter = true
      path.subscribe('a > 1', { expressionType: 'SQL92', version: 5 })
      return path.pull(asked).answer
    })
    const [older, same] = await Promise.all(answers)
    expect(codeOf(older)).toBe('FILTER_DATA_STALE')
    expect(same).toMatchObject({ status: 'FOUND' })
  })
})

describe('a subscription', () => {
  const parse = (expression: string | undefined) =>
    parseSubscription({ topic: TOPIC, expression, expressionType: undefined, version: 0 }).tags

  test.each([
    { expression: undefined, tags: [] },
    { expression: '', tags: [] },
    { expression: '*', tags: [] },
    { expression: 'a', tags: ['a'] },
    { expression: ' a || b||c ', tags: ['a', 'b', 'c'] },
    { expression: '||a||', tags: ['a'] },
    { expression: 'a | b', tags: ['a | b'] },
    { expression: ' || ', tags: [] }
  ])('to $expression names the tags $tags', ({ expression, tags }) => {
    expect(parse(expression)).toEqual(tags)
  })

  test.each(['||', '||||'])('to %s is an error', expression => {
    expect(() => parse(expression)).toThrow(expect.objectContaining({ code: 'FILTER_INVALID' }))
  })
})
