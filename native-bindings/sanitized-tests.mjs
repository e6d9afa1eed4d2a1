/**
 * Runs the tests of the addon against its sanitized build: reads outside of bounds, use after free and undefined
 * behaviour in C++ then end the test with a report. Needs the sanitizer's library of the C++ compiler.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const binary = build('sanitize')
if (binary.reason !== undefined) fail(binary.reason)

const compiler = process.env.CXX ?? 'c++'
const library = execFileSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
if (!existsSync(library)) fail(`${compiler} has no address sanitizer library`)

const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/native-bindings', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: library,
      // Node itself is not built for it: its leaks are not ours, and it places its own signal handlers.
      ASAN_OPTIONS: 'detect_leaks=0:allow_user_segv_handler=1:handle_sigbus=0:abort_on_error=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
      VARVE_NATIVE_BINDINGS: binary.path
    }
  }
)
process.exit(status ?? 1)

function fail(reason) {
  process.stderr.write(`native-bindings: ${reason}\n`)
  process.exit(1)
}
