/**
 * The rules of the house that no compiler or linter knows, over all sources: which folder may import which, one door
 * per outside thing, names, comments, and what tests must not do.
 *
 * A rule is a function of one file's path and text. Beside it stand sources that break it and sources that keep it:
 * a rule that cannot fail protects nothing.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/** What each folder of src/ may import from its neighbours. No arrow points back, so there are no cycles. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  base: [],
  layout: ['base'],
  model: ['base'],
  metrics: ['base'],
  store: ['base', 'layout', 'model', 'metrics'],
  workers: ['base', 'metrics', 'store'],
  broker: ['base', 'layout', 'model', 'metrics', 'store'],
  protocol: ['base', 'layout', 'model'],
  nameserver: ['base', 'model', 'metrics', 'protocol'],
  client: ['base', 'model', 'metrics', 'protocol'],
  load: ['base', 'store'],
  dashboard: ['base', 'model'],
  server: ['base', 'layout', 'model', 'metrics', 'broker', 'protocol', 'nameserver', 'dashboard']
}
/** The roots see everything: they put the parts together. */
const roots = ['src/index.ts', 'src/embedded.ts', 'src/cli/']

/** Packages and folders of ours that exactly one place may import. */
const importDoors: Readonly<Record<string, string>> = {
  'mmap-io': 'src/store/mapping.ts',
  'native-bindings': 'src/store/mapping.ts',
  'xxhash-wasm': 'src/base/hash.ts',
  piscina: 'src/workers/',
  commander: 'src/cli/'
}

/** The same for what needs no import. */
const callDoors: readonly { readonly call: RegExp; readonly name: string; readonly door: string }[] = [
  { call: /\bDate\.now\b|\bnew Date\(\)/, name: 'the time of day', door: 'src/base/clock.ts' },
  { call: /\bperformance\.now\b|\bhrtime\b/, name: 'the monotonic time', door: 'src/base/clock.ts' },
  { call: /\bprocess\.env\b/, name: 'process.env', door: 'src/cli/' },
  { call: /\bconsole\./, name: 'console', door: 'src/cli/' },
  { call: /\bnew Worker\(/, name: 'a thread', door: 'src/workers/' }
]

const LINES_MAX = 600

interface Source {
  readonly path: string
  readonly text: string
}

interface Rule {
  readonly name: string
  /** What is wrong, one text per place; nothing when the file keeps the rule or the rule is not about it. */
  readonly complaints: (source: Source) => string[]
  readonly broken: readonly Source[]
  readonly kept: readonly Source[]
}

const rules: readonly Rule[] = [
  {
    name: 'a folder of src/ imports only the folders that its arrows reach',
    complaints(source) {
      const from = folderOf(source.path)
      if (from === undefined || isRoot(source.path)) return []
      const reachable = arrows[from]
      if (reachable === undefined) return [`src/${from} stands in no table of folders`]
      return targetsOf(source)
        .filter(target => target.startsWith('src/') && !isWithin(target, from))
        .filter(target => !reachable.includes(folderOf(target) ?? 'the root of src'))
        .map(target => `src/${from} must not see ${target}`)
    },
    broken: [
      { path: 'src/store/flush.ts', text: "import { spawn } from '../workers/index.ts'" },
      { path: 'src/base/log.ts', text: "import type { Message } from '../model/index.ts'" },
      { path: 'src/broker/pop.ts', text: "export { frame } from '../protocol/index.ts'" },
      { path: 'src/client/producer.ts', text: "const store = await import('../store/index.ts')" },
      { path: 'src/store/flush.ts', text: "import { openStore } from '../index.ts'" },
      { path: 'src/protocol/grpc/door.ts', text: "import { openBroker } from '../../broker/index.ts'" },
      { path: 'src/plugins/one.ts', text: "import { assert } from '../base/index.ts'" }
    ],
    kept: [
      {
        path: 'src/store/flush.ts',
        text: "import { assert } from '../base/index.ts'\nimport { sync } from './files.ts'"
      },
      { path: 'src/protocol/grpc/door.ts', text: "import { frame } from '../remoting/frame.ts'" },
      { path: 'src/cli/dump.ts', text: "import { record } from '../layout/index.ts'" },
      { path: 'src/index.ts', text: "export { openStore } from './embedded.ts'" },
      { path: 'src/base/log.ts', text: "// import { x } from '../store/index.ts'" },
      { path: 'test/base/log.test.ts', text: "import { x } from '../../src/store/index.ts'" }
    ]
  },
  {
    name: 'across folders of src/ only index.ts is imported',
    complaints(source) {
      if (!source.path.startsWith('src/')) return []
      const from = folderOf(source.path)
      return targetsOf(source)
        .filter(target => folderOf(target) !== undefined && !(from !== undefined && isWithin(target, from)))
        .filter(target => target !== `src/${folderOf(target)}/index.ts`)
        .map(target => `${target} is inside another folder; its index.ts is the door`)
    },
    broken: [
      { path: 'src/store/flush.ts', text: "import { assert } from '../base/assert.ts'" },
      { path: 'src/index.ts', text: "export { openStore } from './store/store.ts'" },
      { path: 'src/cli/dump.ts', text: "import { x } from '../protocol/grpc/index.ts'" }
    ],
    kept: [
      { path: 'src/store/flush.ts', text: "import { assert } from '../base/index.ts'\nimport './progress.ts'" },
      { path: 'src/index.ts', text: "export { openStore } from './store/index.ts'" },
      { path: 'src/cli/main.ts', text: "import { openStore } from '../embedded.ts'" }
    ]
  },
  {
    name: 'an outside thing is imported through its one door',
    complaints(source) {
      if (!source.path.startsWith('src/')) return []
      return Object.entries(importDoors)
        .filter(
          ([thing, door]) => !source.path.startsWith(door) && targetsOf(source).some(target => isPartOf(target, thing))
        )
        .map(([thing, door]) => `${thing} is imported by ${door} alone`)
    },
    broken: [
      { path: 'src/store/files.ts', text: "import { map } from '../../native-bindings/index.ts'" },
      { path: 'src/store/flush.ts', text: "const mmap = createRequire(import.meta.url)('mmap-io')" },
      { path: 'src/store/seal.ts', text: "import xxhash from 'xxhash-wasm'" },
      { path: 'src/broker/pool.ts', text: "import { Piscina } from 'piscina'" },
      { path: 'src/server/http.ts', text: "import 'commander'" }
    ],
    kept: [
      { path: 'src/store/mapping.ts', text: "import { map } from '../../native-bindings/index.ts'" },
      { path: 'src/base/hash.ts', text: "import xxhash from 'xxhash-wasm'" },
      { path: 'src/workers/spawn.ts', text: "import { Piscina } from 'piscina'" },
      { path: 'test/native-bindings/map.test.ts', text: "import { map } from '../../native-bindings/index.ts'" }
    ]
  },
  {
    name: 'clock, environment, console and threads are used through their one door',
    complaints(source) {
      if (!source.path.startsWith('src/')) return []
      return callDoors
        .filter(({ door }) => !source.path.startsWith(door))
        .flatMap(({ call, name, door }) => places(codeWithoutTexts(source.text), call, `${name} is for ${door} alone`))
    },
    broken: [
      { path: 'src/store/flush.ts', text: 'const now = Date.now()' },
      { path: 'src/store/flush.ts', text: 'const now = new Date()' },
      { path: 'src/store/flush.ts', text: 'const started = performance.now()' },
      { path: 'src/store/flush.ts', text: 'if (process.env.DEBUG) flush()' },
      { path: 'src/store/flush.ts', text: "console.log('flushed')" },
      { path: 'src/store/flush.ts', text: 'const thread = new Worker(entry)' }
    ],
    kept: [
      { path: 'src/base/clock.ts', text: 'const now = Date.now() + performance.now()' },
      { path: 'src/cli/main.ts', text: "console.log(process.env.NO_COLOR ?? '')" },
      { path: 'src/store/flush.ts', text: "/* not Date.now() */ const text = 'console.log' // process.env" },
      { path: 'src/store/flush.ts', text: 'const day = new Date(clock.nowMs())' },
      { path: 'bench/harness.ts', text: 'const started = performance.now()' }
    ]
  },
  {
    name: 'names of files are in kebab-case',
    complaints({ path }) {
      if (!/\.(ts|mjs|cc|h)$/.test(path)) return []
      const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|case|config))?\.(ts|mjs|cc|h)$/
      return kebab.test(posix.basename(path)) ? [] : [`${posix.basename(path)} is not in kebab-case`]
    },
    broken: ['src/store/commitLog.ts', 'src/store/Commit.ts', 'test/store/commit_log.test.ts'].map(empty),
    kept: ['src/store/commit-log.ts', 'test/store/commit-log.test.ts', 'vitest.config.ts', 'README.md'].map(empty)
  },
  {
    name: 'no folder collects what belongs to a noun',
    complaints({ path }) {
      if (!/\.(ts|mjs|cc|h)$/.test(path)) return []
      const collector = /^(utils?|commons?|helpers?|managers?|misc|shared)$/
      return posix
        .dirname(path)
        .split('/')
        .filter(folder => collector.test(folder))
        .map(folder => `a function lives with the noun that it serves, not in ${folder}/`)
    },
    broken: ['src/utils/bytes.ts', 'src/store/helpers/bytes.ts', 'test/common/disk.ts', 'src/manager/a.ts'].map(empty),
    kept: ['src/store/bytes.ts', 'test/support/disk.ts'].map(empty)
  },
  {
    name: 'a source opens with a comment that says what it is for',
    complaints({ path, text }) {
      if (!/^(src|scripts)\/.*\.(ts|mjs)$/.test(path)) return []
      return openingComment(text) === undefined ? ['it opens without a comment /** … */'] : []
    },
    broken: [
      { path: 'src/store/flush.ts', text: "import { assert } from '../base/index.ts'\n\n/** Too late. */" },
      { path: 'src/store/flush.ts', text: '// Not of this kind.\n' },
      { path: 'src/store/flush.ts', text: '/** */\n' }
    ],
    kept: [
      { path: 'src/store/flush.ts', text: '/** How long a message may live in memory only. */\n' },
      { path: 'src/cli/main.ts', text: '#!/usr/bin/env node\n/**\n * The verbs.\n */\n' },
      { path: 'test/store/flush.test.ts', text: "import { test } from 'vitest'" }
    ]
  },
  {
    name: `a file of more than ${LINES_MAX} lines says why it is one piece`,
    complaints({ path, text }) {
      if (!/\.(ts|mjs|cc|h|java)$/.test(path)) return []
      const lineCount = text.split('\n').length - 1
      if (lineCount <= LINES_MAX || openingComment(text)?.includes('one piece')) return []
      return [`${lineCount} lines, and the opening comment does not say why it is one piece`]
    },
    broken: [
      { path: 'src/store/store.ts', text: `/** A store. */\n${'\n'.repeat(LINES_MAX)}` },
      { path: 'src/store/store.ts', text: `/** A store. */${'\n'.repeat(LINES_MAX)}// one piece\n` }
    ],
    kept: [
      { path: 'src/store/store.ts', text: `/** A store, one piece because it is. */\n${'\n'.repeat(LINES_MAX)}` },
      { path: 'src/store/store.ts', text: `/** A store. */${'\n'.repeat(LINES_MAX)}` }
    ]
  },
  {
    name: 'the type checker is not silenced',
    complaints({ path, text }) {
      if (!path.endsWith('.ts')) return []
      return [
        ...places(codeWithoutTexts(text), /\bas any\b|<any>/, 'a cast to any'),
        ...places(text, /(\/\/|\/\*|\*)\s*@ts-(ignore|nocheck)\b/, 'the checker is switched off')
      ]
    },
    broken: [
      { path: 'src/a.ts', text: 'const b = c as any' },
      { path: 'test/a.test.ts', text: 'const b = <any>c' },
      { path: 'src/a.ts', text: '// @ts-ignore\nb()' },
      { path: 'src/a.ts', text: '/* @ts-nocheck */' }
    ],
    kept: [{ path: 'src/a.ts', text: "const b = c as Many // as any name\nconst d = 'as any'" }]
  },
  {
    name: 'a failure is not swallowed',
    complaints({ path, text }) {
      if (!/\.(ts|mjs)$/.test(path)) return []
      return places(
        codeWithoutTexts(text, { keepComments: true }),
        /\bcatch\b[^{}]*\{\s*\}|\.catch\(\(\) => \{\s*\}\)/,
        'an empty catch'
      )
    },
    broken: [
      { path: 'src/a.ts', text: 'try { b() } catch {}' },
      { path: 'src/a.ts', text: 'try { b() } catch (error) {\n}' },
      { path: 'test/a.test.ts', text: 'b().catch(() => {})' }
    ],
    kept: [
      {
        path: 'src/a.ts',
        text: 'try { b() } catch { return undefined }\ntry { c() } catch {\n  // Why it may fail.\n}'
      }
    ]
  },
  {
    name: 'every test runs, whole and always',
    complaints({ path, text }) {
      if (!path.endsWith('.test.ts')) return []
      const partial = /\b(test|it|describe|suite|bench)\b[\w.]*\.(skip|only|todo|fails|skipIf|runIf)\b/
      return places(codeWithoutTexts(text), partial, 'a test that does not always run')
    },
    broken: [
      { path: 'test/a.test.ts', text: "test.skip('a', () => {})" },
      { path: 'test/a.test.ts', text: "describe.only('a', () => {})" },
      { path: 'test/a.test.ts', text: "it.todo('a')" },
      { path: 'test/a.test.ts', text: "describe.concurrent.skipIf(true)('a', () => {})" }
    ],
    kept: [
      { path: 'test/a.test.ts', text: "test.each([1])('test.skip is not used', () => {})\nexpect(list.only).toBe(1)" }
    ]
  },
  {
    name: 'no test waits for time to pass',
    complaints({ path, text }) {
      if (!path.endsWith('.test.ts')) return []
      const waiting = /(?<![.\w])(setTimeout|setInterval|sleep|delay)\s*\(|\bAtomics\.wait\b/
      return [
        ...places(codeWithoutTexts(text), waiting, 'a test awaits an event or sets the clock'),
        ...targetsOf({ path, text })
          .filter(target => target.startsWith('node:timers'))
          .map(target => `${target} is imported`)
      ]
    },
    broken: [
      { path: 'test/a.test.ts', text: 'await new Promise(resolve => setTimeout(resolve, 10))' },
      { path: 'test/a.test.ts', text: "import { setTimeout as pause } from 'node:timers/promises'" },
      { path: 'test/a.test.ts', text: 'await sleep(5)' }
    ],
    kept: [
      { path: 'test/a.test.ts', text: 'vi.useFakeTimers()\nclock.advance(10)' },
      { path: 'test/crash/run.mjs', text: 'setTimeout(kill, 10)' }
    ]
  },
  {
    name: 'no file knows a machine by its paths',
    complaints({ path, text }) {
      if (path === 'package-lock.json') return []
      const place = /(^|[^\w.~$}-])(\/(home|root|Users|work|tmp|mnt|opt)\/[\w.]|[A-Z]:\\\\?Users)/
      return places(text, place, 'a path that other machines do not have')
    },
    broken: [
      { path: 'README.md', text: `see ${['', 'home', 'somebody', 'varve'].join('/')}` },
      { path: 'test/a.test.ts', text: `open('${['', 'tmp', 'x'].join('/')}')` },
      { path: 'bench/run.mjs', text: `'${['C:', 'Users', 'somebody'].join('\\')}'` }
    ],
    kept: [
      {
        path: 'src/store/files.ts',
        text: "join(tmpdir(), 'x')\nopen('/proc/self/maps')\n// a/tmp/b and https://a.org/home/b"
      }
    ]
  },
  {
    name: 'the lock file names no addresses, so that every registry and mirror serves',
    complaints({ path, text }) {
      return path === 'package-lock.json' ? places(text, /"resolved"/, 'an address to load from') : []
    },
    broken: [{ path: 'package-lock.json', text: '"resolved": "somewhere"' }],
    kept: [{ path: 'package-lock.json', text: '"integrity": "sha512-x"' }]
  }
]

const sources = projectSources()

describe('the sources', () => {
  test('are found', () => {
    const paths = sources.map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(['src/base/index.ts', 'test/base/log.test.ts', 'package-lock.json']))
  })

  test('lie in folders whose arrows make no cycle: each reaches only folders above it in the table', () => {
    const placed: string[] = []
    for (const [folder, reachable] of Object.entries(arrows)) {
      expect(placed).toEqual(expect.arrayContaining([...reachable]))
      placed.push(folder)
    }
  })
})

describe.each(rules)('$name', ({ complaints, broken, kept }) => {
  test('in every file', () => {
    expect(sources.flatMap(source => complaints(source).map(complaint => `${source.path}: ${complaint}`))).toEqual([])
  })

  test.each(broken)('and a $path that breaks it is reported: $text', source => {
    expect(complaints(source)).not.toEqual([])
  })

  test.each(kept)('and a $path that keeps it is not: $text', source => {
    expect(complaints(source)).toEqual([])
  })
})

/** What git tracks or would track, as far as it is text of ours. */
function projectSources(): Source[] {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root })
  return list
    .toString()
    .split('\0')
    .filter(path => /\.(ts|mjs|js|json|md|cc|h|java|xml|sh)$|^\.ci\/run$|^\.npmrc$/.test(path))
    .filter(path => path !== 'test/tidy.test.ts') // Its samples break every rule.
    .filter(path => existsSync(posix.join(root, path))) // Else tracked, but removed in the work tree.
    .map(path => ({ path, text: readFileSync(posix.join(root, path), 'utf8') }))
}

function empty(path: string): Source {
  return { path, text: '' }
}

/** `store` for src/store/flush.ts; none for a file right in src/ or outside it. */
function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

const isWithin = (path: string, folder: string) => path.startsWith(`src/${folder}/`)
const isRoot = (path: string) => roots.some(root => path.startsWith(root))
const isPartOf = (target: string, thing: string) => target === thing || target.startsWith(`${thing}/`)

/** What a file imports: paths from the root of the project, and names of packages. */
function targetsOf({ path, text }: Source): string[] {
  const imported = /\b(?:from|import|import\(|require\(|createRequire\([^)]*\)\()\s*'([^']+)'/g
  return [...codeOf(text).matchAll(imported)].map(([, target = '']) =>
    target.startsWith('.') ? posix.join(posix.dirname(path), target) : target
  )
}

/** Comments and texts in single or double quotes, whichever begins first; a template may hold code and stays. */
const COMMENT_OR_TEXT = /\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g

const blank = (text: string) => text.replace(/[^\n]/g, ' ')

/** Without its comments; lines and columns stay where they are. */
function codeOf(text: string): string {
  return text.replace(COMMENT_OR_TEXT, found => (found.startsWith('/') ? blank(found) : found))
}

function codeWithoutTexts(text: string, { keepComments = false } = {}): string {
  return text.replace(COMMENT_OR_TEXT, found => (keepComments && found.startsWith('/') ? found : blank(found)))
}

function openingComment(text: string): string | undefined {
  const comment = /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1]
  return comment !== undefined && /\w/.test(comment) ? comment : undefined
}

/** One complaint for each line on which the pattern begins. */
function places(text: string, pattern: RegExp, complaint: string): string[] {
  const found = [...text.matchAll(new RegExp(pattern, 'gm'))]
  return found.map(({ index }) => `line ${text.slice(0, index).split('\n').length}: ${complaint}`)
}
