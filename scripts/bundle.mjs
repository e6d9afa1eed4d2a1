/**
 * Bundles the compiled command line and the threads that it starts into dist/bundle/, so that starting reads a few files
 * instead of two hundred. `npm run build` does it, and the set-up; src/cli/main.ts and src/workers/spawn.ts take it where it
 * is current. `bundle.mjs FOLDER` does it for another folder of compiled modules than dist/, `bundle.mjs FOLDER MODULE…` for
 * other modules of it.
 *
 * Each is bundled by itself: what a thread shared with the command line it would read whole, and needs less than half of.
 * Not bundled: what finds files beside its own (piscina its worker, mmap-io its binary).
 */
import { rmSync, utimesSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const [folder = 'dist', ...asked] = process.argv.slice(2)
const inDist = name => fileURLToPath(new URL(`../${folder}/${name}`, import.meta.url))

const modules = asked.length > 0 ? asked : ['src/cli/varve.js', 'src/workers/part.js', 'src/workers/job.js']

rmSync(inDist('bundle'), { recursive: true, force: true })
for (const path of modules) {
  const bundle = await rolldown({
    input: inDist(path),
    external: [/^node:/, 'piscina', 'mmap-io'],
    platform: 'node'
  })
  await bundle.write({ dir: inDist('bundle'), format: 'esm', sourcemap: true })
}
// Unchanged files may keep their time; by that of these it is told whether the bundle is current.
for (const path of modules) utimesSync(inDist(`bundle/${basename(path)}`), new Date(), new Date())
