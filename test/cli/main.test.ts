import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { freshDirectory, message, openSmall } from '../support/store-fixtures.ts'
import { jsonOf, varve } from './varve.ts'

describe('varve', () => {
  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

    expect(await varve('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('help lists the verbs and the exit statuses', async () => {
    const { status, stdout } = await varve('help')

    expect(status).toBe(0)
    for (const word of ['start', 'config', 'store', 'demo', 'doctor', 'Exit status']) expect(stdout).toContain(word)
  })

  test.each([
    { args: ['stroe'], says: 'Did you mean store?' },
    { args: ['store', 'verfy', 'x'], says: 'Did you mean verify?' },
    { args: ['store', 'verify', 'x', '--quik'], says: 'Did you mean --quick?' },
    { args: ['store', 'verify'], says: "missing required argument 'directory'" },
    { args: ['store', 'dump', 'x', '--count', '0'], says: 'positive integer' },
    { args: ['store', 'dump', 'x', '--index', '--state'], says: 'cannot be used with' },
    { args: ['demo', '--seconds', 'long'], says: 'a number from 0' }
  ])('$args is a mistake of usage: says what is meant and ends with 2', async ({ args, says }) => {
    const { status, stdout, stderr } = await varve(...args)

    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(says)
  })

  test('a failure is one line with code, details and hint', async () => {
    const directory = freshDirectory()

    const { status, stdout, stderr } = await varve('store', 'info', directory)

    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^varve: STORE_NOT_FOUND: .*"directory":.*; check the path[^\n]*\n$/)
  })

  test('with --json a failure is an object on stdout', async () => {
    const directory = freshDirectory()

    const result = await varve('store', 'info', directory, '--json')

    expect(result).toMatchObject({ status: 1, stderr: '' })
    expect(jsonOf(result)).toMatchObject({ error: { code: 'STORE_NOT_FOUND', details: { directory } } })
  })
})

describe('varve doctor', () => {
  test('has a verdict for each check, and leaves nothing behind', async () => {
    const directory = freshDirectory()

    const { verdict, checks } = jsonOf(await varve('doctor', directory, '--json')) as {
      verdict: string
      checks: { name: string; verdict: string }[]
    }

    expect(['ok', 'warning']).toContain(verdict)
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'Node.js',
        'native bindings',
        'mapper',
        'mappings',
        'lock',
        'file system',
        'allocation',
        'free space'
      ])
    )
    expect((await varve('doctor', directory)).stdout).toMatch(/^ok +Node\.js/)
  })

  test('does not make a store that was closed cleanly look touched', async () => {
    const directory = freshDirectory()
    const store = await openSmall({ directory })
    store.append(message('m0'))
    await store.close()

    await varve('doctor', directory)

    await using again = await openSmall({ directory })
    expect(again.info().recovery.kind).toBe('clean')
  })
})
