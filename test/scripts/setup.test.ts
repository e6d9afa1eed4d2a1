import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const builds = "process.stdout.write('compiled')"
const fails = "process.stderr.write('there is no compiler\\n'); process.exit(1)"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'varve-setup-'))
  for (const name of ['setup.mjs', 'start.mjs']) cpSync(join(root, 'scripts', name), join(directory, 'scripts', name))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** As in a published package: no lock file, so only the native bindings are made, here by a stand-in. */
function packageWith({ build, main = '' }: { build: string; main?: string }) {
  write('native-bindings/build.mjs', build)
  write('native-bindings/build/varve.node', '')
  write('dist/src/cli/main.js', main)
  write('package.json', readFileSync(join(root, 'package.json'), 'utf8'))
}

function write(path: string, text: string) {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}

function runNode(...args: string[]): Promise<{ status: number | string; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, args, { cwd: directory }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? 'killed'), stdout, stderr })
    )
  })
}

describe('the set-up', () => {
  test('says one line for a step, and nothing once all is current', async () => {
    packageWith({ build: builds })
    const first = await runNode('scripts/setup.mjs')
    expect(first).toMatchObject({ status: 0, stdout: '' })
    expect(first.stderr).toMatch(/^set-up: building native bindings \.\.\. [\d.]+ s\n$/)
    expect(await runNode('scripts/setup.mjs')).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('builds again when a source has changed, or the binary is gone', async () => {
    packageWith({ build: builds })
    await runNode('scripts/setup.mjs')
    write('native-bindings/src/map.cc', '// new')
    expect((await runNode('scripts/setup.mjs')).stderr).toContain('building native bindings')
    rmSync(join(directory, 'native-bindings/build/varve.node'))
    expect((await runNode('scripts/setup.mjs')).stderr).toContain('building native bindings')
  })

  test('goes on without native code, says why once, and does not try again at each start', async () => {
    packageWith({ build: fails })
    const first = await runNode('scripts/setup.mjs')
    expect(first.status).toBe(0)
    expect(first.stderr).toContain('there is no compiler\n')
    expect(await runNode('scripts/setup.mjs')).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('with --dev ends when native code does not build, also when it failed before', async () => {
    packageWith({ build: fails })
    await runNode('scripts/setup.mjs')
    const result = await runNode('scripts/setup.mjs', '--dev')
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('there is no compiler')
  })

  test('refuses a Node that is too old, and names both versions', async () => {
    packageWith({ build: builds })
    write('old.mjs', "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.3' } })")
    const { status, stderr } = await runNode('--import', './old.mjs', 'scripts/setup.mjs')
    expect(status).toBe(1)
    expect(stderr).toMatch(/needs Node\.js 20\.19 or later; this is 20\.18\.3/)
  })
})

describe('npm start', () => {
  test('hands its arguments to the verb `start`', async () => {
    packageWith({ build: builds, main: 'console.log(JSON.stringify(process.argv.slice(2)))' })
    const { stdout } = await runNode('scripts/start.mjs', '--directory', 'my data')
    expect(JSON.parse(stdout)).toEqual(['start', '--directory', 'my data'])
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('passes %s on to the process that has the store open', async signal => {
    const main = `
      import { createServer } from 'node:net'
      const store = createServer().listen(0, '127.0.0.1', () => console.log('open'))
      process.on('${signal}', () => store.close(() => console.log('closing')))`
    packageWith({ build: builds, main })
    const npm = spawn('npm', ['start', '--silent'], { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = once(npm, 'close')
    let output = ''
    for await (const chunk of npm.stdout) {
      if (output === '') npm.kill(signal)
      output += chunk
    }
    await ended
    expect(output).toBe('open\nclosing\n')
  })
})
