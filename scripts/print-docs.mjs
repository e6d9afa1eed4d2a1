/**
 * What `npm run docs` runs: writes the pages of docs/ that the code prints. Tests fail when they are not current.
 *
 * Not here: architecture.md, durability.md and operations.md, which are written by hand.
 */
import { writeFileSync } from 'node:fs'
import { setupOrExit } from './setup.mjs'

setupOrExit()

const { errorsDocument } = await import('../dist/src/base/index.js')
const { configDocument } = await import('../dist/src/cli/config-document.js')
const { formatDocument } = await import('../dist/src/layout/index.js')

for (const [name, text] of [
  ['configuration.md', configDocument()],
  ['errors.md', errorsDocument()],
  ['format.md', formatDocument()]
]) {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), text)
  process.stderr.write(`docs/${name}: ${text.length} characters\n`)
}
