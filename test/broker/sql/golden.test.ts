import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../../src/base/index.ts'
import { SqlFilter } from '../../../src/broker/sql/sql-filter.ts'
import { encodeProperties } from '../../../src/layout/index.ts'

/** What Apache RocketMQ 5.5.0 says; test/compat/make-sql-golden.mjs tells how the file is made and read. */
const [sets, ...rows] = readFileSync(new URL('../../golden/data/sql92.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line)) as [Record<string, string>[], ...[expression: string, outcomes: string | null][]]

const encodedSets = sets.map(properties => encodeProperties(Object.entries(properties)))
const LETTERS = { true: 't', false: 'f', nothing: 'n', failed: 'x' }

function outcomesOf(expression: string): string | null {
  try {
    const filter = new SqlFilter(expression)
    return encodedSets.map(bytes => LETTERS[filter.evaluate(bytes, 0, bytes.length)]).join('')
  } catch (error) {
    if (error instanceof VarveError && error.code === 'FILTER_INVALID') return null
    throw error
  }
}

describe('an SQL92 filter', () => {
  test('is tried on hundreds of expressions', () => {
    expect(rows.length).toBeGreaterThan(500)
    expect(rows.filter(([, outcomes]) => outcomes === null).length).toBeGreaterThan(50)
  })

  test('compiles what Apache RocketMQ compiles, and nothing else', () => {
    const differing = rows.filter(([expression, outcomes]) => (outcomesOf(expression) === null) !== (outcomes === null))
    expect(differing).toEqual([])
  })

  test('says the same wherever Apache RocketMQ has an answer', () => {
    const differing = rows.flatMap(([expression, outcomes]) => {
      const ours = outcomesOf(expression) ?? ''
      const answers = [...(outcomes ?? '')].map((letter, set) => ({ letter, ours: ours[set], set }))
      return answers
        .filter(({ letter, ours }) => 'tfn'.includes(letter) && ours !== letter)
        .map(answer => ({ expression, properties: sets[answer.set], ...answer }))
    })
    expect(differing).toEqual([])
  })

  test('has an answer of its own only where a plain number is no Java integer', () => {
    const differing = rows.flatMap(([expression, outcomes]) => {
      const ours = outcomesOf(expression) ?? ''
      return [...(outcomes ?? '')].flatMap((letter, set) => {
        const texts = [...Object.values(sets[set]!), ...[...expression.matchAll(/'([^']*)'/g)].map(([, text]) => text!)]
        const mayDiffer = letter === 'x' && texts.some(isNumberButNoJavaInt)
        return 'xc'.includes(letter) && ours[set] !== 'x' && !mayDiffer ? [{ expression, properties: sets[set] }] : []
      })
    })
    expect(differing).toEqual([])
  })
})

function isNumberButNoJavaInt(text: string): boolean {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return false
  return !(/^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 31)
}
