/** What a run leaves: the page for people, and the reports as JSON for `varve bench compare` and everything else. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from '../../src/load/index.ts'
import { reportPage } from './page.ts'

export interface Failure {
  readonly benchmark: string
  readonly error: string
}

export interface BenchRun {
  readonly command: string
  readonly seconds: number
  readonly failures: readonly Failure[]
  readonly reports: readonly Report[]
}

export function writeRun(directory: string, run: BenchRun): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'index.html'), reportPage(run.reports, run))
  writeFileSync(join(directory, 'report.json'), `${JSON.stringify(run)}\n`)
}
