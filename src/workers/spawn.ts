/** Where the entry files of threads are: beside this one once compiled, in dist/ when this runs from source. */
const here = import.meta.url
const isSource = here.endsWith('.ts')

export function entryFile(name: 'part' | 'job'): string {
  return new URL(isSource ? `../../dist/src/workers/${name}.js` : `./${name}.js`, here).href
}
