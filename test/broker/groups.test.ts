import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { FORBIDDEN_READ_BIT, GroupTable, groupConfig } from '../../src/broker/index.ts'
import { losesEverything } from '../support/simulated-disk.ts'
import { jsonIn, ROOT, type TableWorldOptions, tableWorld } from '../support/table-fixtures.ts'

const PATH = join(ROOT, 'config', 'subscriptionGroup.json')
const SYSTEM_GROUPS = [
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_OWNER',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_PULL',
  'CID_RMQ_SYS_TRANS',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'TOOLS_CONSUMER'
]
const fails = (code: string) => expect.objectContaining({ code })

function opened(options: TableWorldOptions = {}) {
  const world = tableWorld(options)
  return { world, groups: new GroupTable(world) }
}

describe('groups', () => {
  test('of the system are there from the start', () => {
    expect(opened().groups.names()).toEqual(SYSTEM_GROUPS)
  })

  test('are made with the defaults of RocketMQ when a consumer names them', () => {
    const { groups } = opened()
    const group = groups.getOrCreate('g')
    expect(group).toEqual({
      name: 'g',
      mayConsume: true,
      mayConsumeFromMinimum: true,
      mayBroadcast: true,
      isOrdered: false,
      retryQueueCount: 1,
      retryCountMax: 16,
      retryPolicy: { type: 'CUSTOMIZED' },
      brokerId: 0,
      brokerIdWhenSlow: 1,
      tellsMembers: true,
      sysFlag: 0,
      consumeTimeoutMinutes: 15,
      subscriptions: [],
      attributes: {}
    })
    expect(groups.findOrCreate('g')).toBe(group)
    expect(groups.version.counter).toBe(1)
  })

  test.each(['', 'a b', 'a/b', 'ü', 'x'.repeat(121)])('are not made of the name %j', name => {
    const { groups } = opened()
    expect(groups.findOrCreate(name)).toBeUndefined()
    expect(() => groups.getOrCreate(name)).toThrow(fails('GROUP_UNKNOWN'))
    expect(() => groups.update(groupConfig(name))).toThrow(fails('GROUP_NAME_INVALID'))
  })

  test('are not made where that is turned off, those of the system apart', () => {
    const { groups, world } = opened({ config: { autoCreateSubscriptionGroup: false } })
    expect(groups.findOrCreate('g')).toBeUndefined()
    expect(groups.findOrCreate('CID_RMQ_SYS_anything')).toBeDefined()
    world.config.enableCreateSysGroup = false
    expect(groups.findOrCreate('CID_RMQ_SYS_other')).toBeUndefined()
    groups.update(groupConfig('g', { retryCountMax: 3 }))
    expect(groups.findOrCreate('g')?.retryCountMax).toBe(3)
  })

  test('that are unknown are an error where they must exist', () => {
    expect(() => opened().groups.get('g')).toThrow(fails('GROUP_UNKNOWN'))
  })

  test('that are deleted while somebody goes through them are passed over', () => {
    const { groups } = opened()
    for (const name of ['a', 'b', 'c']) groups.getOrCreate(name)
    const seen: string[] = []
    for (const { name } of groups.all()) {
      seen.push(name)
      if (name === 'a') groups.delete('b')
    }
    expect(seen).not.toContain('b')
    expect(seen.slice(-2)).toEqual(['a', 'c'])
  })

  test('are updated several together or not at all', () => {
    const { groups } = opened()
    expect(() => groups.updateAll([groupConfig('a'), groupConfig('b c')])).toThrow(fails('GROUP_NAME_INVALID'))
    expect(groups.find('a')).toBeUndefined()
  })

  test('have attributes that change one by one', () => {
    const { groups } = opened()
    const update = (attributes: Record<string, string>) => groups.update(groupConfig('g', { attributes }))
    update({ '+priority.factor': '7', '+lite.sub.model': 'Shared' })
    update({ '+priority.factor': '8', '-lite.sub.model': '' })
    update({})
    expect(groups.get('g').attributes).toEqual({ 'priority.factor': '8' })
    const wrong = [
      { 'priority.factor': '7' },
      { '+priority.factor': '101' },
      { '+colour': 'red' },
      { '-lite.sub.model': '' }
    ]
    for (const attributes of wrong as Record<string, string>[]) {
      expect(() => update(attributes)).toThrow(fails('ATTRIBUTE_INVALID'))
    }
  })

  test('are stopped, deleted, and told of', () => {
    const { groups } = opened()
    const heard: string[] = []
    groups.onChanged(({ type, group }) => heard.push(`${type} ${group.name} ${group.mayConsume}`))
    groups.update(groupConfig('g'))
    groups.disable('g')
    groups.disable('g')
    expect(groups.delete('g')).toBe(true)
    expect(groups.delete('g')).toBe(false)
    expect(heard).toEqual(['created g true', 'updated g false', 'deleted g false'])
  })

  test('come back after a loss of power as they were, once saved', async () => {
    const { groups, world } = opened()
    groups.update(
      groupConfig('g', {
        mayConsume: false,
        mayConsumeFromMinimum: false,
        mayBroadcast: false,
        isOrdered: true,
        retryQueueCount: 4,
        retryCountMax: 5,
        retryPolicy: { type: 'EXPONENTIAL', exponentialRetryPolicy: { initial: 1, max: 2, multiplier: 3 } },
        brokerId: 2,
        brokerIdWhenSlow: 3,
        tellsMembers: false,
        sysFlag: 1,
        consumeTimeoutMinutes: 7,
        subscriptions: [{ topic: 't', expression: 'a || b', expressionType: 'TAG', version: 9 }],
        attributes: { '+priority.factor': '7' }
      })
    )
    groups.setForbidden({ group: 'g', topic: 't', bit: FORBIDDEN_READ_BIT, isForbidden: true })
    await groups.saved()
    const found = new GroupTable({ ...world, files: world.disk.crash(seededRandom(1), losesEverything) })
    expect([...found.all()]).toEqual([...groups.all()])
    expect(found.version).toEqual(groups.version)
    expect(found.isForbidden('g', 't', FORBIDDEN_READ_BIT)).toBe(true)
  })

  test('are saved once for ten thousand that are made at once', async () => {
    const { groups, world } = opened()
    for (let i = 0; i < 10_000; i++) groups.getOrCreate(`group-${i}`)
    await groups.saved()
    expect(world.disk.counts.rename).toBe(1)
    expect(
      Object.keys((jsonIn(world.disk, PATH) as { subscriptionGroupTable: object }).subscriptionGroupTable)
    ).toHaveLength(10_000 + SYSTEM_GROUPS.length)
  })
})

describe('what is forbidden to a group', () => {
  test('is kept by topic and bit; allowing one topic again leaves the others', () => {
    const { groups } = opened()
    const set = (topic: string, bit: number, isForbidden: boolean) =>
      groups.setForbidden({ group: 'g', topic, bit, isForbidden })
    set('a', 0, true)
    set('a', 2, true)
    set('b', 0, true)
    expect(groups.forbidden('g', 'a')).toBe(5)
    expect(groups.isForbidden('g', 'a', 1)).toBe(false)
    set('a', 0, false)
    expect(groups.forbiddenJson()).toEqual({ g: { a: 4, b: 1 } })
    set('a', 2, false)
    expect(groups.forbiddenJson()).toEqual({ g: { b: 1 } })
    expect(groups.forbidden('nobody', 'a')).toBe(0)
    groups.update(groupConfig('g'))
    groups.delete('g')
    expect(groups.forbiddenJson()).toEqual({})
  })

  test('moves the version only when it changes', () => {
    const { groups } = opened()
    const allow = { group: 'g', topic: 'a', bit: 0, isForbidden: false }
    groups.setForbidden(allow)
    expect(groups.version.counter).toBe(0)
    groups.setForbidden({ ...allow, isForbidden: true })
    groups.setForbidden({ ...allow, isForbidden: true })
    expect(groups.version.counter).toBe(1)
  })
})
