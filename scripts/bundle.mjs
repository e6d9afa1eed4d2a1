/**
 * Bundles the compiled command line and the threads that it starts into dist/bundle/, so that starting reads a few files
 * instead of two hundred. `npm run build` does it, and the set-up; src/cli/main.ts and src/workers/spawn.ts take it where it
 * is current. `bundle.mjs FOLDER` does it for another folder of compiled modules than dist/.
 *
 * Not bundled: what finds files beside its own (piscina its worker, mmap-io its binary).
 */
import { utimesSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const [folder = 'dist'] = process.argv.slice(2)
const inDist = name => fileURLToPath(new URL(`../${folder}/${name}`, import.meta.url))

const bundle = await rolldown({
  input: {
    varve: inDist('src/cli/varve.js'),
    part: inDist('src/workers/part.js'),
    job: inDist('src/workers/job.js')
  },
  external: [/^node:/, 'piscina', 'mmap-io'],
  platform: 'node'
})
await bundle.write({ dir: inDist('bundle'), cleanDir: true, format: 'esm', sourcemap: true })
// Unchanged files may keep their time; by that of these it is told whether the bundle is current.
for (const name of ['varve', 'part', 'job']) utimesSync(inDist(`bundle/${name}.js`), new Date(), new Date())
