/**
 * Where the entry files of threads are: beside this one once compiled, in dist/ when this runs from source; bundled where
 * there is a current bundle. A thread that looks up a hundred modules one by one takes twice the processor time to come up,
 * and three threads are most of what opening a store costs.
 */
import { statSync } from 'node:fs'

const here = import.meta.url
const isSource = here.endsWith('.ts')

export function entryFile(name: 'part' | 'job'): string {
  const compiled = new URL(isSource ? `../../dist/src/workers/${name}.js` : `./${name}.js`, here)
  const bundled = new URL(`../../bundle/${name}.js`, compiled)
  return (isCurrent(bundled, new URL('../../.tsbuildinfo', compiled)) ? bundled : compiled).href
}

/** Files of a published package all have the same time; whoever compiles makes newer ones. */
function isCurrent(bundled: URL, compiled: URL): boolean {
  const bundle = statSync(bundled, { throwIfNoEntry: false })
  const source = statSync(compiled, { throwIfNoEntry: false })
  return bundle !== undefined && (source === undefined || bundle.mtimeMs >= source.mtimeMs)
}
