import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshDirectory, message, openSmall } from '../support/store-fixtures.ts'
import { jsonOf, varve, varveInterrupted } from './varve.ts'

describe('varve demo', () => {
  test('runs a load, checks what it reads, and does so again in the same directory', async () => {
    const directory = join(freshDirectory(), 'data')
    const demo = () => varve('demo', '--store', directory, '--seconds', '0.2', '--json')

    const first = jsonOf(await demo())
    const second = await demo()

    expect(first).toMatchObject({ isIntact: true, directory })
    expect(first.read).toBe(first.appended)
    expect(second.status).toBe(0)
    expect(jsonOf(second)).toMatchObject({ isIntact: true })
    expect(jsonOf(await varve('store', 'verify', directory, '--json'))).toMatchObject({
      condition: 'clean',
      damage: []
    })
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('is ended by %s, cleanly', async signal => {
    const directory = join(freshDirectory(), 'data')

    const result = await varveInterrupted({ word: 'appending', signal }, 'demo', '--store', directory, '--seconds', '0')

    expect(result).toMatchObject({ status: 0, stderr: '' })
    expect(result.stdout).toContain('count and hash agree')
    expect(jsonOf(await varve('store', 'info', directory, '--json'))).toHaveProperty('condition', 'clean')
  })

  test('keeps away from a store that holds something else', async () => {
    const directory = freshDirectory()
    const store = await openSmall({ directory })
    store.append(message('m0'))
    await store.close()

    const { status, stderr } = await varve('demo', '--store', directory, '--seconds', '1')

    expect(status).toBe(1)
    expect(stderr).toContain('"holdsTopic":"orders"')
  })
})
