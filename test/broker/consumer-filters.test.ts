import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hourMs, openLog } from '../../src/base/index.ts'
import { bloomBitsOf, murmur3 } from '../../src/broker/bloom-filter.ts'
import { ConsumerFilters } from '../../src/broker/consumer-filters.ts'
import { type Subscription, saveHere } from '../../src/broker/index.ts'
import { encodeText, parseJavaJson, printJavaJson } from '../../src/layout/index.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { jsonIn } from '../support/table-fixtures.ts'

const DIRECTORY = '/store'
const PATH = join(DIRECTORY, 'config', 'consumerFilter.json')
const BORN_MS = 1_758_276_000_000

function opened(disk = new SimulatedDisk(), startMs = BORN_MS) {
  disk.makeDirectory(join(DIRECTORY, 'config'))
  let nowMs = startMs
  const lines: string[] = []
  const filters = new ConsumerFilters({
    directory: DIRECTORY,
    files: disk,
    save: saveHere(disk),
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    log: openLog({ sink: line => lines.push(line) })
  })
  const stateOf = (topic = 'orders', group = 'GID_sql') => {
    const found = filters.find(topic, group)
    return found && { expression: found.expression, version: found.clientVersion, isDead: found.diedAtMs !== 0 }
  }
  return { disk, filters, lines, stateOf, setTime: (ms: number) => (nowMs = ms) }
}

const subscription = (changes: Partial<Subscription> = {}): Subscription => ({
  topic: 'orders',
  expression: 'a > 5',
  expressionType: 'SQL92',
  version: 1000,
  tags: [],
  tagHashes: [],
  isClassFilter: false,
  ...changes
})

describe('the filter of a group', () => {
  test('comes from its subscription, if that is SQL92 and compiles', () => {
    const { filters, stateOf, lines } = opened()
    filters.register('GID_sql', [
      subscription(),
      subscription({ topic: 'tags', expressionType: 'TAG', expression: 'A || B' }),
      subscription({ topic: 'wrong', expression: 'a >' }),
      subscription({ topic: 'trailing', expression: 'a > 5 LIMIT 3' })
    ])
    expect(stateOf()).toEqual({ expression: 'a > 5', version: 1000, isDead: false })
    expect([stateOf('tags'), stateOf('wrong'), stateOf('orders', 'other')]).toEqual([undefined, undefined, undefined])
    expect(stateOf('trailing')).toBeDefined()
    expect(lines.filter(line => line.includes('FILTER_INVALID'))).toHaveLength(1)
    expect(lines.filter(line => line.includes('"ignored":"LIMIT 3"'))).toHaveLength(1)
    const bytes = encodeText('a\x016\x02')
    expect(filters.find('orders', 'GID_sql')?.filter.acceptsRecord(bytes, 0, bytes.length)).toBe(true)
  })

  test.each<{ what: string; next: Partial<Subscription>; expression: string | undefined; version?: number }>([
    { what: 'a newer one', next: { expression: 'b > 1', version: 1001 }, expression: 'b > 1', version: 1001 },
    { what: 'the same, newer', next: { version: 1001 }, expression: 'a > 5', version: 1001 },
    { what: 'an older one', next: { expression: 'b > 1', version: 999 }, expression: 'a > 5', version: 1000 },
    { what: 'another of the same age', next: { expression: 'b > 1' }, expression: 'a > 5', version: 1000 },
    { what: 'a newer one that does not compile', next: { expression: 'b >', version: 1001 }, expression: undefined }
  ])('is $expression after $what', ({ next, expression, version }) => {
    const { filters, stateOf } = opened()
    filters.register('GID_sql', [subscription()])
    filters.register('GID_sql', [subscription(next)])
    expect(stateOf()).toEqual(expression && { expression, version, isDead: false })
  })

  test('dies with its group or its subscription, and is revived by the same one', () => {
    const { filters, stateOf } = opened()
    filters.register('GID_sql', [subscription()])
    filters.unregister('GID_sql')
    expect(stateOf()?.isDead).toBe(true)
    filters.register('GID_sql', [subscription()])
    expect(stateOf()?.isDead).toBe(false)
    filters.register('GID_sql', [subscription({ topic: 'other' })])
    expect(stateOf()?.isDead).toBe(true)
    filters.register('GID_sql', [subscription({ version: 1001 })])
    expect(stateOf()?.isDead).toBe(false)
  })

  test('is dropped a day after it died', () => {
    const { filters, stateOf, setTime } = opened()
    filters.register('GID_sql', [subscription()])
    setTime(BORN_MS + 30 * hourMs)
    filters.tidy()
    expect(stateOf()).toBeDefined()
    filters.unregister('GID_sql')
    setTime(BORN_MS + 54 * hourMs - 1)
    filters.tidy()
    expect(stateOf()).toBeDefined()
    setTime(BORN_MS + 54 * hourMs)
    filters.tidy()
    expect(stateOf()).toBeUndefined()
  })
})

describe('consumerFilter.json', () => {
  test('is written as Apache RocketMQ writes it', async () => {
    const { disk, filters } = opened()
    filters.register('GID_sql', [subscription()])
    await filters.saved()
    expect(jsonIn(disk, PATH)).toEqual(
      parseJavaJson(
        `{"filterDataByTopic":{"orders":{"groupFilterData":{"GID_sql":{
          "bloomFilterData":{"bitNum":112,"bitPos":[${bloomBitsOf('orders', 'GID_sql').positions}]},
          "bornTime":${BORN_MS},"clientVersion":1000,"consumerGroup":"GID_sql","dead":false,"deadTime":0,
          "expression":"a > 5","expressionType":"SQL92","topic":"orders"}},"topic":"orders"}}}`
      )
    )
  })

  test('brings filters back, dead until their group says otherwise', async () => {
    const { disk, filters } = opened()
    filters.register('GID_sql', [subscription()])
    await filters.saved()
    const again = opened(disk, BORN_MS + 90_000)
    expect(again.stateOf()).toEqual({ expression: 'a > 5', version: 1000, isDead: true })
    expect(again.filters.find('orders', 'GID_sql')?.diedAtMs).toBe(BORN_MS + 60_000)
    again.filters.register('GID_sql', [subscription()])
    expect(again.stateOf()?.isDead).toBe(false)
  })

  test.each<{ what: string; change: (text: string) => string; found: boolean }>([
    { what: 'as it was written', change: text => text, found: true },
    {
      what: 'with other bits in one entry',
      change: text => text.replace('"bitNum":112', '"bitNum":128'),
      found: false
    },
    { what: 'with fewer positions in one entry', change: text => text.replace(/\t\t\t\t\t\d+,\n/, ''), found: false },
    { what: 'with an expression that does not compile', change: text => text.replace('b > 5', 'b >'), found: true },
    { what: 'with another kind of expression', change: text => text.replace('SQL92', 'CLASS'), found: true }
  ])('is read $what: other entries are found: $found', ({ change, found }) => {
    const disk = new SimulatedDisk()
    const entry = (topic: string, expression: string) => ({
      groupFilterData: {
        g: {
          bloomFilterData: { bitNum: 112, bitPos: [1, 2, 3] },
          bornTime: 1,
          clientVersion: 5,
          consumerGroup: 'g',
          deadTime: 2,
          expression,
          expressionType: 'SQL92',
          topic
        }
      },
      topic
    })
    const text = change(
      printJavaJson({ filterDataByTopic: { first: entry('first', 'b > 5'), last: entry('last', 'a > 5') } })
    )
    disk.makeDirectory(join(DIRECTORY, 'config'))
    const file = disk.open(PATH, 'create')
    file.write(encodeText(text), 0)
    file.close()
    expect(opened(disk).stateOf('last', 'g') !== undefined).toBe(found)
  })
})

describe('the bits of a filter', () => {
  test('are those that Apache RocketMQ computes', () => {
    expect(bloomBitsOf('TopicTest', 'GID_sql')).toEqual({ bitCount: 112, positions: [33, 81, 17] })
  })

  test.each<{ text: string; hash: bigint }>([
    { text: '', hash: 0n },
    { text: 'hello', hash: 0xcbd8a7b341bd9b02n },
    { text: 'The quick brown fox jumps over the lazy dog', hash: 0xe34bbc7bbc071b6cn }
  ])('come from the hash of $text that everybody computes', ({ text, hash }) => {
    expect(murmur3(encodeText(text))).toBe(hash)
  })
})
