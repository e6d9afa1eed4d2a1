/** The version of the package, as package.json has it. */
import { existsSync, readFileSync } from 'node:fs'

/** This runs as source, compiled and bundled: the package starts where package.json lies. */
export function packageVersion(): string {
  let url = new URL('package.json', import.meta.url)
  while (!existsSync(url)) url = new URL('../package.json', url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
