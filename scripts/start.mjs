/**
 * What `npm start -- ARGUMENTS` runs: the set-up, then `varve start ARGUMENTS` in this same process.
 *
 * One process, so that a signal to it reaches the store that it must close, and so that starting costs no second Node.
 * For the same reason package.json says `exec`: npm signals the shell that it runs scripts in, and most shells die
 * without passing it on. Windows has no `exec`; there, run this file with Node.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { setupOrExit } from './setup.mjs'

setupOrExit()

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'src', 'cli', 'main.js')
process.argv.splice(1, 1, main, 'start')
await import(pathToFileURL(main).href)
