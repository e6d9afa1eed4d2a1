import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BROKER_KEYS } from '../../src/broker/index.ts'
import { configDocument } from '../../src/cli/config-document.ts'

const document = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

describe('docs/configuration.md', () => {
  test('is what the table of keys prints; `npm run docs` prints it anew', () => {
    expect(document).toBe(configDocument())
  })

  test('has one row of five cells for each key', () => {
    const rows = document.split('\n').filter(line => /^\| `\w+` \|.*`VARVE_/.test(line))
    expect(rows.map(row => row.split('`')[1])).toEqual(Object.keys(BROKER_KEYS))
    for (const row of rows) expect(row.match(/(?<!\\)\|/g)).toHaveLength(6)
  })
})
