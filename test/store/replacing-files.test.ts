/** A file that belongs to the store without being messages: replaced by a worker, durably. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openStore } from '../../src/index.ts'
import { freshDirectory, SMALL } from '../support/store-fixtures.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe.each(['none', 'workers'] as const)('replacing a file, with threads %s', threads => {
  test('leaves the new content, and the old one beside it', async () => {
    const directory = freshDirectory()
    const path = join(directory, 'config', 'topics.json')
    await using store = await openStore({ directory, threads, ...SMALL })
    mkdirSync(join(directory, 'config'))

    await store.replaceFile(path, bytes('{"first":1}'))
    await store.replaceFile(path, bytes('{"second":2}'))

    expect(readFileSync(path, 'utf8')).toBe('{"second":2}')
    expect(readFileSync(`${path}.bak`, 'utf8')).toBe('{"first":1}')
  })

  test('is refused once the store is closed', async () => {
    const directory = freshDirectory()
    const store = await openStore({ directory, threads, ...SMALL })
    await store.close()
    await expect(store.replaceFile(join(directory, 'x'), bytes(''))).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  })
})
