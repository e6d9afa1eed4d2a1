/** A store that Apache RocketMQ wrote, as files on disk: empty of anything of ours, in a directory of the test's own. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import { freshDirectory } from './store-fixtures.ts'

export function unpackedGoldenStore(name: GoldenCase): string {
  const directory = freshDirectory()
  for (const [path, bytes] of goldenStore(name).files) {
    mkdirSync(join(directory, dirname(path)), { recursive: true })
    writeFileSync(join(directory, path), bytes)
  }
  return directory
}
