import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'varve-readme-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the ten lines of the README', () => {
  test('run, and print what they say', async () => {
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const entry = new URL('../../dist/src/index.js', import.meta.url).href
    // Small files, because what is shown must not take gibibytes of a test machine.
    const small = "directory: 'data', segmentBytes: 1 << 20, indexSlots: 1000, indexItems: 1000"
    const runnable = code.replace("'varve'", `'${entry}'`).replace("directory: 'data'", small)
    expect(runnable).toContain(entry)
    expect(runnable).toContain(small)

    const script = join(directory, 'ten-lines.mjs')
    writeFileSync(script, runnable)
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], { cwd: directory })
    expect({ stdout, stderr }).toEqual({ stdout: 'book paid\nlamp undefined\noffset 1: lamp\n', stderr: '' })
  })
})

const pages = ['architecture', 'configuration', 'durability', 'errors', 'format', 'operations'].map(
  name => `docs/${name}.md`
)

describe.each(['README.md', 'CHANGELOG.md', ...pages])('%s', page => {
  test('points only at files that exist', () => {
    const text = readFileSync(join(root, page), 'utf8')
    const targets = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target = '']) => target)
    const files = targets.filter(target => !target.startsWith('https://'))
    const missing = files.filter(target => !existsSync(join(root, page, '..', target)))
    expect(missing).toEqual([])
  })
})
