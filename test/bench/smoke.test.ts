/** Every benchmark at its smallest, so that none rots unseen: it runs, and its sides do the same work. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { benchmarks } from '../../bench/catalogue.ts'
import { projectRoot } from '../../bench/project.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'varve-bench-smoke-'))
  const tsc = join(projectRoot(), 'node_modules', 'typescript', 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.bench.json'], { cwd: projectRoot(), stdio: 'inherit' })
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

test.each(benchmarks.map(benchmark => ({ name: benchmark.name, benchmark })))(
  '$name runs at smoke size',
  async ({ benchmark }) => {
    const report = await benchmark.run({ smoke: true, peers: false, directory, progress: () => {} })
    expect(report.medians.length).toBeGreaterThan(0)
    for (const { messages, rate, work } of report.medians) {
      expect(messages).toBeGreaterThan(0)
      expect(rate).toBeGreaterThan(0)
      expect(work.hash).toBe(report.medians[0]?.work.hash)
    }
    // Nothing stays behind.
    expect(readdirSync(directory)).toEqual([])
  }
)
