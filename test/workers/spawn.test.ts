import { existsSync, statSync, utimesSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { entryFile } from '../../src/workers/spawn.ts'

const BUNDLED = /\/dist\/bundle\/part\.js$/
const COMPILED = /\/dist\/src\/workers\/part\.js$/

test('threads come up from the bundle where it is current, and from what was compiled after it', () => {
  // The sources have just been compiled and bundled.
  expect(entryFile('part')).toMatch(BUNDLED)
  expect(existsSync(fileURLToPath(entryFile('job')))).toBe(true)

  const bundle = fileURLToPath(entryFile('part'))
  const { atimeMs, mtimeMs } = statSync(bundle)
  onTestFinished(() => utimesSync(bundle, atimeMs / 1000, mtimeMs / 1000))
  utimesSync(bundle, 1, 1)
  expect(entryFile('part')).toMatch(COMPILED)
})
