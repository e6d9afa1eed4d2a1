import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { GiB, hourMs, VarveError } from '../../src/base/index.ts'
import { IDLE_KEYS } from '../../src/broker/config-idle-keys.ts'
import {
  BROKER_KEYS,
  type BrokerConfig,
  brokerConfig,
  type ConfigLayer,
  parseBrokerConf,
  parseProperties,
  printProperties,
  resolveConfig,
  storeOptionsOf
} from '../../src/broker/index.ts'
import { goldenKeys } from '../golden/golden-store.ts'
import { SettableClock } from '../support/settable-clock.ts'

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url))

const resolved = (...layers: ConfigLayer[]) => resolveConfig(layers, new SettableClock())
const from = (properties: Record<string, string>, origin = 'broker.conf'): ConfigLayer => ({ origin, properties })
const invalid = (reason: RegExp) =>
  expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(reason) })

describe('the configuration', () => {
  test('has the defaults of RocketMQ where no layer says otherwise', () => {
    expect(resolved().values).toEqual(brokerConfig())
    expect(brokerConfig()).toMatchObject({
      listenPort: 10_911,
      autoCreateTopicEnable: true,
      flushDiskType: 'ASYNC_FLUSH'
    })
  })

  test('takes the last layer that has the key, and tells which that was', () => {
    const config = resolved(
      from({ brokerName: 'a', listenPort: '1' }, 'first'),
      from({ brokerName: ' b ', autoCreateTopicEnable: 'FALSE' }, 'second')
    )
    expect(config.values).toMatchObject({ brokerName: 'b', listenPort: 1, autoCreateTopicEnable: false })
    expect(config.explain('brokerName')).toMatchObject({
      value: 'b',
      origin: 'second',
      default: '',
      effect: 'at start'
    })
    expect(config.explain('listenPort')?.origin).toBe('first')
    expect(config.explain('brokerPermission')?.origin).toBe('default')
    expect(config.explain('nothing')).toBeUndefined()
  })

  test.each<{ properties: Record<string, string>; reason: RegExp }>([
    { properties: { brokerNam: 'x' }, reason: /did you mean brokerName\?/ },
    { properties: { autocreatetopicenable: 'true' }, reason: /did you mean autoCreateTopicEnable\?/ },
    { properties: { somethingElseEntirely: '1' }, reason: /there is no such key"/ },
    { properties: { toString: '1' }, reason: /there is no such key/ },
    { properties: { listenPort: 'many' }, reason: /an integer from 0 to 65535, not many/ },
    { properties: { listenPort: '65536' }, reason: /from 0 to 65535/ },
    { properties: { listenPort: '1.5' }, reason: /an integer/ },
    { properties: { listenPort: '' }, reason: /an integer/ },
    { properties: { autoCreateTopicEnable: 'yes' }, reason: /true or false, not yes/ },
    { properties: { flushDiskType: 'SOMETIMES' }, reason: /ASYNC_FLUSH or SYNC_FLUSH/ },
    { properties: { authenticationEnabled: 'true' }, reason: /not supported here/ },
    { properties: { storeType: 'defaultRocksDB' }, reason: /not supported here/ }
  ])('refuses $properties', ({ properties, reason }) => {
    expect(() => resolved(from(properties))).toThrow(invalid(reason))
  })

  test('accepts what Apache RocketMQ knows and does not act here, and says so', () => {
    const config = resolved(from({ sendMessageThreadPoolNums: '64', storeType: 'default', aclEnable: 'false' }))
    expect(config.idleKeys()).toEqual(['aclEnable', 'sendMessageThreadPoolNums', 'storeType'])
    expect(config.explain('sendMessageThreadPoolNums')).toMatchObject({ value: '64', effect: 'none here' })
  })

  test('is one object for good, in which an update changes what it names', () => {
    const config = resolved(from({ brokerPermission: '6' }))
    const { values } = config
    const heard: (readonly string[])[] = []
    config.onUpdated(changed => heard.push(changed))
    expect(config.update({ brokerPermission: '4', defaultTopicQueueNums: '8', brokerName: '' })).toEqual([
      'brokerPermission'
    ])
    expect(values.brokerPermission).toBe(4)
    expect(heard).toEqual([['brokerPermission']])
    expect(config.version.counter).toBe(1)
    expect(config.update({ brokerPermission: '4' })).toEqual([])
    expect(config.version.counter).toBe(1)
    expect(config.updates()).toEqual({ brokerPermission: '4', defaultTopicQueueNums: '8', brokerName: '' })
  })

  test('is updated whole or not at all', () => {
    const config = resolved()
    expect(() => config.update({ brokerPermission: '4', listenPort: 'x' })).toThrow(invalid(/listenPort/))
    expect(config.values.brokerPermission).toBe(6)
    expect(config.updates()).toEqual({})
  })

  test.each(['configBlackList', 'brokerConfigPath'])('does not let administrators change %s', key => {
    expect(() => resolved().update({ [key]: 'x' })).toThrow(expect.objectContaining({ code: 'PERMISSION_DENIED' }))
  })

  test('meets what is demanded of all values together, now and after each update', () => {
    const config = resolved(from({ listenPort: '7' }))
    const demand = ({ listenPort, haListenPort }: BrokerConfig) => {
      if (listenPort === haListenPort) throw new VarveError('CONFIG_INVALID', { key: 'haListenPort', reason: 'twice' })
    }
    config.demand(demand)
    expect(() => config.update({ haListenPort: '7', regionId: 'r' })).toThrow(invalid(/haListenPort.*update.*twice/))
    expect(config.values).toMatchObject({ haListenPort: 10_912, regionId: 'DefaultRegion' })
    expect(config.update({ haListenPort: '8' })).toEqual(['haListenPort'])
    expect(() => resolved(from({ listenPort: '7', haListenPort: '7' })).demand(demand)).toThrow(
      invalid(/haListenPort.*"origin":"(?!update)/)
    )
  })

  test('does not let administrators open the broker to other machines', () => {
    expect(() => resolved().update({ varveInsecure: 'true' })).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED' })
    )
  })

  test('has no key that nothing looks at', () => {
    const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && !name.endsWith('config-keys.ts'))
      .map(name => readFileSync(join(SOURCES, name), 'utf8'))
      .join('\n')
    expect(Object.keys(BROKER_KEYS).filter(name => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([])
  })

  test('prints every key, so that what it prints can be read again', () => {
    const config = resolved(from({ brokerName: 'a b=c:d\\e', sendMessageThreadPoolNums: '3' }))
    const printed = parseBrokerConf(config.print())
    expect(Object.keys(printed)).toHaveLength(Object.keys(BROKER_KEYS).length + IDLE_KEYS.size)
    const { brokerConfigPath: _, ...properties } = printed
    expect(resolved(from(properties)).values).toEqual(config.values)
    expect(printed.sendMessageThreadPoolNums).toBe('3')
  })

  test('knows each key once, and explains those that act', () => {
    expect(Object.keys(BROKER_KEYS).filter(name => IDLE_KEYS.has(name))).toEqual([])
    for (const { meaning } of resolved().explainAll()) expect(meaning).toMatch(/\w+ \w+/)
  })
})

describe('the keys of Apache RocketMQ 5.5.0', () => {
  /** Where we differ on purpose. */
  const OWN_DEFAULTS: Readonly<Record<string, string>> = {
    listenPort: '10911', // 6888 in the class; its start sets 10911.
    timerMaxDelaySec: '3456000', // 3 days there, for want of which its users build delays of their own.
    bindAddress: '' // 0.0.0.0 there: Varve opens to other machines only when told to.
  }
  const apacheKeys = goldenKeys()
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split(/=(.*)/s) as [name: string, value: string])

  test('are all known', () => {
    expect(apacheKeys.length).toBeGreaterThan(400)
    const config = resolved()
    expect(apacheKeys.map(([name]) => name).filter(name => config.explain(name) === undefined)).toEqual([])
  })

  test('have the same defaults here, as far as they act', () => {
    const config = resolved()
    const others = apacheKeys
      .filter(([name]) => Object.hasOwn(BROKER_KEYS, name) && !Object.hasOwn(OWN_DEFAULTS, name))
      .filter(([name, value]) => config.explain(name)?.default !== value)
    expect(others).toEqual([])
  })
})

describe('options of the store', () => {
  test('are its defaults for the defaults of the broker', () => {
    expect(storeOptionsOf(brokerConfig())).toEqual({
      flush: 'async',
      flushIntervalMs: 500,
      flushLeastPages: 4,
      flushThoroughIntervalMs: 10_000,
      segmentBytes: GiB,
      queueFileEntries: 300_000,
      indexSlots: 5_000_000,
      indexItems: 20_000_000,
      index: true,
      messageBytesMax: 4_194_304,
      recordChecksum: false,
      delayLevels: '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
      retention: {
        ageMs: 72 * hourMs,
        hours: [4],
        diskUsedRatioMax: 0.75,
        diskUsedRatioForced: 0.85,
        diskUsedRatioFull: 0.9,
        intervalMs: 10_000
      }
    })
  })

  test('follow the configuration, within the bounds of RocketMQ', () => {
    const options = storeOptionsOf(
      brokerConfig({
        flushDiskType: 'SYNC_FLUSH',
        brokerIP1: '10.0.0.1',
        listenPort: 7,
        mappedFileSizeConsumeQueue: 2001,
        deleteWhen: '03;15',
        diskSpaceWarningLevelRatio: 99,
        diskSpaceCleanForciblyRatio: 1
      })
    )
    expect(options).toMatchObject({
      flush: 'sync',
      storeHost: { address: '10.0.0.1', port: 7 },
      queueFileEntries: 101,
      retention: { hours: [3, 15], diskUsedRatioFull: 0.9, diskUsedRatioForced: 0.3 }
    })
    expect(storeOptionsOf(brokerConfig({ cleanFileForciblyEnable: false })).retention?.diskUsedRatioForced).toBe(1)
  })

  test('refuse hours that no day has', () => {
    expect(() => storeOptionsOf(brokerConfig({ deleteWhen: '24' }))).toThrow(invalid(/hours from 0 to 23/))
  })
})

describe('properties', () => {
  test.each<[text: string, properties: Record<string, string>]>([
    ['a=1\nb=2', { a: '1', b: '2' }],
    ['a = 1\r\n\tb:2\rc 3', { a: '1', b: '2', c: '3' }],
    ['# a=1\n ! b=2\n\n  \nc=3', { c: '3' }],
    ['a=1 \\\n   2\nb=3', { a: '1 2', b: '3' }],
    ['a=1\\\\\nb=2', { a: '1\\', b: '2' }],
    ['a\\=b\\:c\\ d=1', { 'a=b:c d': '1' }],
    ['a=\\u00fc\\t\\n\\x', { a: 'ü\t\nx' }],
    ['a==b', { a: '=b' }],
    ['a', { a: '' }],
    ['a=1\na=2', { a: '2' }],
    ['a=x # no comment', { a: 'x # no comment' }],
    ['a=1\\', { a: '1' }],
    ['', {}]
  ])('%j are read as Java reads them', (text, properties) => {
    expect(parseProperties(text)).toEqual(properties)
  })

  test('with a broken escape are refused', () => {
    expect(() => parseProperties('a=\\u12')).toThrow(invalid(/4 digits/))
  })

  test('may be called __proto__ without harm', () => {
    expect(Object.keys(parseProperties('__proto__=1'))).toEqual(['__proto__'])
  })

  test('come back as they were printed', () => {
    const properties = { 'a b': ' c d ', '#x': '!y', 'k=:': 'v\\\n\t\r', ü: '', z: '#' }
    expect(parseProperties(printProperties(properties))).toEqual(properties)
  })
})
