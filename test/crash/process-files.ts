/** Where the processes are that the suite starts again and again: run.mjs bundles them beside what it has compiled. */
import { fileURLToPath } from 'node:url'

export type ProcessName = 'producer' | 'broker' | 'syscall' | 'thread-death'

/** From dist-crash/test/crash. */
export const processFile = (name: ProcessName): string =>
  fileURLToPath(new URL(`../../bundle/${name}-process.js`, import.meta.url))
