/** Every benchmark at its smallest, so that none rots unseen: it runs, and its sides do the same work. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { benchmarks } from '../../bench/catalogue.ts'
import { compiledCase, projectRoot } from '../../bench/project.ts'

/** Brokers, stores and waits for full seconds, on a machine that may be busy. */
const SMOKE_MS_MAX = 120_000

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
  },
  SMOKE_MS_MAX
)

test.each([
  { how: 'is told to stop', ends: "process.kill(process.pid, 'SIGTERM')" },
  { how: 'fails', ends: "throw new Error('on purpose')" }
])('a server ends when the benchmark that started it $how', async ({ ends }) => {
  const module = pathToFileURL(compiledCase('peers/ends-with-us.ts')).href
  const server = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = once(server, 'exit')
  const program = `import { endsWithUs } from '${module}'\nendsWithUs(${server.pid})\n${ends}`
  spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'ignore' })
  expect(await ended).toEqual([null, 'SIGKILL'])
})
