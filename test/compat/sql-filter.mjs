/**
 * Varve's SQL92 filter against Apache RocketMQ's: the same expressions over the same properties.
 *
 * Where Apache has an answer, ours must be the same. Where it fails because a text is not the number that its literal asks
 * for, ours may have an answer, if the text is a plain number all the same (sql-filter.ts says why): nothing else may differ.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SqlFilter } from '../../dist/src/broker/sql/sql-filter.js'
import { encodeProperties } from '../../dist/src/layout/index.js'
import { runApache } from './apache-store.mjs'
import { generatedExpressions, PECULIAR_EXPRESSIONS, PROPERTY_SETS } from './sql-expressions.mjs'

/** @returns {Promise<string[]>} what is wrong; nothing if all is well */
export async function compareFilters({ version, place, seed, expressionCount }) {
  const lines = await apacheOutcomes(version, place, [
    ...PECULIAR_EXPRESSIONS,
    ...generatedExpressions(seed, expressionCount)
  ])
  return lines.flatMap(({ expression, outcomes }) => {
    const ours = varveOutcomes(expression)
    return agree(expression, outcomes, ours) ? [] : [`${JSON.stringify(expression)}: ${ours} instead of ${outcomes}`]
  })
}

/** @returns {Promise<{ expression: string, outcomes?: string }[]>} */
export function apacheOutcomes(version, place, expressions) {
  const cases = join(place, 'cases.json')
  writeFileSync(cases, JSON.stringify({ propertySets: PROPERTY_SETS, expressions }))
  return runApache(version, 'filter', { cases })
}

const encodedSets = PROPERTY_SETS.map(properties => encodeProperties(Object.entries(properties)))
const LETTERS = { true: 't', false: 'f', nothing: 'n', failed: 'x' }

function varveOutcomes(expression) {
  try {
    const filter = new SqlFilter(expression)
    return encodedSets.map(bytes => LETTERS[filter.evaluate(bytes, 0, bytes.length)]).join('')
  } catch (error) {
    if (error.code === 'FILTER_INVALID') return undefined
    throw error
  }
}

function agree(expression, apache, ours) {
  if (apache === undefined || ours === undefined) return apache === ours
  return PROPERTY_SETS.every((properties, set) => {
    if (apache[set] === 'c') return ours[set] === 'x'
    const mayDiffer = () => [...Object.values(properties), ...textsOf(expression)].some(isNumberButNoJavaInt)
    return ours[set] === apache[set] || (apache[set] === 'x' && mayDiffer())
  })
}

const textsOf = expression => [...expression.matchAll(/'([^']*)'/g)].map(([, text]) => text)

/** For the plain forms that occur here; what is read as a number in general is not this suite's to say. */
function isNumberButNoJavaInt(text) {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return false
  return !(/^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 31)
}
