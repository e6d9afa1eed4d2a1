import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { catalogue, errorsDocument } from '../../src/base/index.ts'

const document = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

describe('docs/errors.md', () => {
  test('is what the catalogue prints; `npm run docs` prints it anew', () => {
    expect(document).toBe(errorsDocument())
  })

  test('has one row of four cells for each code', () => {
    const rows = document.split('\n').filter(line => line.startsWith('| `'))
    expect(rows.map(row => row.split('`')[1])).toEqual(Object.keys(catalogue))
    for (const row of rows) expect(row.match(/(?<!\\)\|/g)).toHaveLength(5)
  })
})
