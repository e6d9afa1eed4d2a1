import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { formatDocument } from '../../src/layout/index.ts'

describe('docs/format.md', () => {
  test('is what the layouts print', () => {
    const document = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8')
    expect(document).toBe(formatDocument())
  })
})
