/**
 * Makes test/golden/data/sql92.jsonl anew: what Apache RocketMQ's filter says to the peculiar expressions and some hundreds
 * of generated ones. `npm run build && node test/compat/make-sql-golden.mjs` (Java 17, Maven).
 *
 * The first line holds the sets of properties; each other one an expression and its outcomes, a letter per set (`t`rue,
 * `f`alse, `n`othing, `x` no number, `c` types that do not go together), or null if it does not compile.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { APACHE_VERSIONS, buildApache } from './apache-store.mjs'
import { generatedExpressions, PECULIAR_EXPRESSIONS, PROPERTY_SETS } from './sql-expressions.mjs'
import { apacheOutcomes } from './sql-filter.mjs'

const SEED = 20260101
const GENERATED_COUNT = 400

const [version] = APACHE_VERSIONS
const place = mkdtempSync(join(tmpdir(), 'varve-sql-'))
try {
  buildApache(version)
  const lines = await apacheOutcomes(version, place, [
    ...PECULIAR_EXPRESSIONS,
    ...generatedExpressions(SEED, GENERATED_COUNT)
  ])
  const rows = lines.map(({ expression, outcomes }) => [expression, outcomes ?? null])
  const file = fileURLToPath(new URL('../golden/data/sql92.jsonl', import.meta.url))
  writeFileSync(file, [PROPERTY_SETS, ...rows].map(row => `${JSON.stringify(row)}\n`).join(''))
} finally {
  rmSync(place, { recursive: true, force: true })
}
