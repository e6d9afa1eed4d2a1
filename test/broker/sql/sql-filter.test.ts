import { describe, expect, test } from 'vitest'
import { seededRandom, VarveError } from '../../../src/base/index.ts'
import { ExpressionCache } from '../../../src/broker/sql/expression-cache.ts'
import { COST_MAX, DEPTH_MAX, EXPRESSION_LENGTH_MAX, PROPERTY_COUNT_MAX } from '../../../src/broker/sql/limits.ts'
import { SqlFilter } from '../../../src/broker/sql/sql-filter.ts'
import { encodeProperties, encodeText } from '../../../src/layout/index.ts'

function evaluated(expression: string, properties: Record<string, string>) {
  const bytes = encodeProperties(Object.entries(properties))
  return new SqlFilter(expression).evaluate(bytes, 0, bytes.length)
}

function refusalOf(expression: string): { position: number; near: string; reason: string } {
  try {
    new SqlFilter(expression)
  } catch (error) {
    if (error instanceof VarveError && error.code === 'FILTER_INVALID')
      return error.details as ReturnType<typeof refusalOf>
    throw error
  }
  throw new Error(`${expression} compiles`)
}

describe('an SQL92 filter', () => {
  test.each<{ expression: string; a: string; outcome: string }>([
    { expression: 'a > 10', a: '10.5', outcome: 'true' },
    { expression: 'a > 10', a: '9.99', outcome: 'false' },
    { expression: 'a = 10', a: '10.0', outcome: 'true' },
    { expression: 'a <> 10', a: '10.5', outcome: 'true' },
    { expression: 'a BETWEEN 10 AND 11', a: '1.05e1', outcome: 'true' },
    { expression: 'a > 10 OR TRUE', a: '10.5', outcome: 'true' },
    { expression: 'a > 10', a: '3000000000', outcome: 'true' },
    { expression: 'a > 10', a: '99999999999999999999999999', outcome: 'true' },
    { expression: 'a < 10', a: '-99999999999999999999999999', outcome: 'true' },
    { expression: 'a = 9007199254740993', a: '9007199254740992', outcome: 'false' },
    { expression: 'a > 10', a: 'ten', outcome: 'failed' },
    { expression: 'a > 10', a: '10.5d', outcome: 'failed' },
    { expression: 'a > 10', a: ' 11', outcome: 'failed' },
    { expression: 'a > 10', a: '+', outcome: 'failed' },
    { expression: 'a > 10.0', a: ' 11d ', outcome: 'true' }
  ])('compares numbers across types: $expression with a=$a is $outcome', ({ expression, a, outcome }) => {
    expect(evaluated(expression, { a })).toBe(outcome)
  })

  test.each<{ expression: string; properties: Record<string, string>; outcome: string }>([
    { expression: 'a = b', properties: {}, outcome: 'true' },
    { expression: 'a = 5', properties: {}, outcome: 'nothing' },
    { expression: '5 = a', properties: {}, outcome: 'false' },
    { expression: "a NOT CONTAINS 'x'", properties: {}, outcome: 'false' },
    { expression: "a NOT CONTAINS ''", properties: { a: 'y' }, outcome: 'false' },
    { expression: "a NOT IN ('x')", properties: {}, outcome: 'nothing' },
    { expression: 'a > 5 OR TRUE', properties: { a: 'x' }, outcome: 'failed' },
    { expression: 'TRUE OR a > 5', properties: { a: 'x' }, outcome: 'true' },
    { expression: 'a', properties: { a: 'true' }, outcome: 'false' },
    { expression: 'a = TRUE', properties: { a: 'tRuE' }, outcome: 'true' },
    { expression: 'TRUE = a', properties: { a: 'true' }, outcome: 'failed' },
    { expression: 'A = 5', properties: { a: '5' }, outcome: 'nothing' }
  ])(
    'follows Java where it is peculiar: $expression with $properties is $outcome',
    ({ expression, properties, outcome }) => {
      expect(evaluated(expression, properties)).toBe(outcome)
    }
  )

  test('delivers what is true, and nothing that is false, unknown or failed', () => {
    const bytes = encodeProperties([['a', '5']])
    const accepts = (expression: string) => new SqlFilter(expression).acceptsRecord(bytes, 0, bytes.length)
    expect([accepts('a = 5'), accepts('a = 6'), accepts('b = 5'), accepts("a = TRUE OR 'x' = 5")]).toEqual([
      true,
      false,
      false,
      false
    ])
  })

  test('reads properties where they lie, the last of equal names, and none that is empty', () => {
    const filter = new SqlFilter("a = '2' AND b IS NULL AND c = 'x' AND aa IS NULL")
    const before = encodeText('a\x013\x02')
    const properties = encodeText('a\x011\x02ab\x01y\x02a\x012\x02b\x01\x02c\x01x') // The last piece may lack its end.
    const bytes = new Uint8Array([...before, ...properties, ...encodeText('\x02a\x019\x02')])
    expect(filter.evaluate(bytes, before.length, before.length + properties.length)).toBe('true')
  })

  test('does not take bytes for a text that only malformed bytes decode to', () => {
    const malformed = new Uint8Array([...encodeText('a\x01'), 0xff, ...encodeText('\x02')])
    const ofSignItself = encodeText('a\x01\ufffd\x02')
    const filter = new SqlFilter("a = '\ufffd' AND a CONTAINS '\ufffd' AND a IN ('\ufffd')")
    expect(filter.evaluate(malformed, 0, malformed.length)).toBe('true')
    expect(filter.evaluate(ofSignItself, 0, ofSignItself.length)).toBe('true')
    expect(evaluated("a = '\ud800'", { a: '\ufffd' })).toBe('false')
  })

  test('finds texts as Java does, over random texts of few letters', () => {
    const random = seededRandom(7)
    const text = (lengthMax: number) =>
      Array.from({ length: random.between(1, lengthMax) }, () => random.pick(['a', 'b', 'ä'])).join('')
    for (let round = 0; round < 2000; round++) {
      const [value, wanted] = [text(12), text(5)]
      const found = ['CONTAINS', 'STARTSWITH', 'ENDSWITH'].map(word => evaluated(`a ${word} '${wanted}'`, { a: value }))
      const expected = [value.includes(wanted), value.startsWith(wanted), value.endsWith(wanted)].map(String)
      expect({ value, wanted, found }).toEqual({ value, wanted, found: expected })
    }
  })
})

describe('a refusal of a filter', () => {
  test.each<{ expression: string; position: number; reason: RegExp }>([
    { expression: 'a >', position: 4, reason: /expected/ },
    { expression: 'a = 1 AND b != 2', position: 13, reason: /`<>`/ },
    { expression: 'a = "x"', position: 5, reason: /single quotes/ },
    { expression: 'a = 1 AND NOT 5', position: 15, reason: /neither true nor false/ },
    { expression: "a > 'x'", position: 5, reason: /numbers and properties/ },
    { expression: 'a BETWEEN 5 AND 1', position: 11, reason: /above/ },
    { expression: 'a <> NULL', position: 3, reason: /IS NULL/ },
    { expression: "(a) IN ('x', 'y'", position: 17, reason: /`\)` expected/ },
    { expression: "5 IN ('x')", position: 1, reason: /property/ },
    { expression: 'a = 0.0', position: 5, reason: /without a point/ },
    { expression: 'a = 9223372036854775808', position: 5, reason: /64 bits/ },
    { expression: "a = 'x", position: 5, reason: /quote/ },
    { expression: '', position: 1, reason: /expected/ }
  ])('of $expression names position $position and the reason', ({ expression, position, reason }) => {
    const refusal = refusalOf(expression)
    expect(refusal.position).toBe(position)
    expect(refusal.reason).toMatch(reason)
    expect(expression.slice(position - 1)).toContain(refusal.near === 'the end' ? '' : refusal.near)
  })

  test('does not concern what follows a complete expression; where that begins is told', () => {
    expect(new SqlFilter('a = 1 LIMIT 10 !!').ignoredFrom).toBe(6)
    expect(new SqlFilter('a = 1 -- a comment\n').ignoredFrom).toBeUndefined()
    expect(refusalOf('a = 1 !')).toMatchObject({ position: 7 })
  })
})

describe('the size of a filter', () => {
  const joined = (count: number, condition: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => condition(index)).join(' OR ')

  test.each<{ what: string; expression: string; reason: RegExp }>([
    { what: 'parentheses', expression: `${'('.repeat(5000)}a = 1${')'.repeat(5000)}`, reason: /deeper/ },
    { what: 'prefixes', expression: `${'NOT '.repeat(5000)}a`, reason: /deeper/ },
    { what: 'signs', expression: `${'- '.repeat(5000)}1 = a`, reason: /deeper/ },
    { what: 'chained equality', expression: `a${' = a'.repeat(1000)}`, reason: /deeper/ },
    { what: 'chained searches', expression: `a${" CONTAINS 'x'".repeat(300)}`, reason: /deeper/ },
    { what: 'conditions', expression: joined(COST_MAX, () => 'a = 1'), reason: /too many/ },
    { what: 'searches', expression: joined(COST_MAX / 8, () => "a CONTAINS 'x'"), reason: /too many/ },
    { what: 'properties', expression: joined(PROPERTY_COUNT_MAX + 1, index => `p${index} = 1`), reason: /properties/ },
    { what: 'characters', expression: `a = '${'x'.repeat(EXPRESSION_LENGTH_MAX)}'`, reason: /longer/ },
    { what: 'digits', expression: `a = ${'9'.repeat(100_000)}`, reason: /64 bits/ }
  ])('is limited in $what', ({ expression, reason }) => {
    expect(refusalOf(expression).reason).toMatch(reason)
  })

  test('allows what people write, in depth, in conditions and in lists', () => {
    const depth = DEPTH_MAX - 2
    expect(evaluated(`${'('.repeat(depth)}a = 1${')'.repeat(depth)}`, { a: '1' })).toBe('true')
    expect(
      evaluated(
        joined(1000, index => `a = ${index}`),
        { a: '999' }
      )
    ).toBe('true')
    const list = Array.from({ length: 10_000 }, (_, index) => `'${index}'`).join(',')
    expect(evaluated(`a IN (${list})`, { a: '9999' })).toBe('true')
    expect(evaluated(`a NOT IN (${list})`, { a: '10000' })).toBe('true')
  })

  test('keeps the cost of one message small even for the worst of both: no search looks at a byte again and again', () => {
    const wanted = `${'a'.repeat(200)}b`
    const filter = new SqlFilter(joined(400, index => `a CONTAINS '${wanted}${index}'`))
    const bytes = encodeProperties([['a', 'a'.repeat(32_000)]])
    expect(filter.acceptsRecord(bytes, 0, bytes.length)).toBe(false) // Would take a minute if each byte cost the length searched for.
  })
})

describe('the cache of filters', () => {
  test('compiles an expression once, and remembers refusals', () => {
    const cache = new ExpressionCache()
    expect(cache.filterOf('a = 1')).toBe(cache.filterOf('a = 1'))
    const refusals = [1, 2].map(() => {
      try {
        return cache.filterOf('a =')
      } catch (error) {
        return error
      }
    })
    expect(refusals[0]).toBeInstanceOf(VarveError)
    expect(refusals[1]).toBe(refusals[0])
  })

  test('holds 100, and lets go of the one not used for longest', () => {
    const cache = new ExpressionCache()
    const filters = Array.from({ length: 100 }, (_, index) => cache.filterOf(`a = ${index}`))
    expect(cache.filterOf('a = 0')).toBe(filters[0])
    cache.filterOf('a = 100')
    expect(cache.filterOf('a = 0')).toBe(filters[0])
    expect(cache.filterOf('a = 1')).not.toBe(filters[1])
  })
})
