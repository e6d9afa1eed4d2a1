/**
 * The compatibility suite: `npm run test:compat -- [--short] [--version 5.5.0 | 5.3.3 | both] [--only TEXT] [--keep]
 * [--mapper mmap-io | native | plain] [--threads workers | none]`; the last two choose how Varve's side works.
 *
 * Varve and Apache RocketMQ's own store write and read the same directories, in both directions, closed and killed, and
 * in turns; each listing is compared, message by message, with what the history of appends says must be there
 * (model.mjs). Both keep the same tables in `config/`, and both SQL filters judge the same messages. Needs Java 17 and
 * Maven, and says so where they are missing: a suite that skips itself proves nothing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { APACHE_VERSIONS, buildApache, runApache } from './apache-store.mjs'
import { commandLine, linesOf } from './child.mjs'
import { differences, Model } from './model.mjs'
import { makePlan } from './plan.mjs'
import { scenarios } from './scenarios.mjs'

/** More would only bury the first. */
const DIFFERENCES_SHOWN = 8

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    version: { type: 'string' },
    only: { type: 'string' },
    mapper: { type: 'string' },
    threads: { type: 'string' },
    keep: { type: 'boolean', default: false }
  }
})

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`the suite cannot run: ${error.message}\n`)
  process.exitCode = 1
}

async function main() {
  const versions = chosenVersions()
  buildVarve()
  for (const version of versions) buildApache(version, say)

  const wanted = versions.flatMap(version =>
    scenarios(options)
      // A scenario keeps its seed whether or not others run beside it.
      .map((scenario, index) => ({ version, scenario, seed: index + 1 }))
      .filter(({ scenario }) => options.only === undefined || scenario.name.includes(options.only))
  )
  const root = mkdtempSync(join(tmpdir(), 'varve-compat-'))
  let failed = 0
  for (const [index, { version, scenario, seed }] of wanted.entries()) {
    const beganMs = performance.now()
    const title = `[${index + 1}/${wanted.length}] ${version}: ${scenario.name}`
    const place = join(root, String(index))
    mkdirSync(place)
    const wrong = await run(scenario, { version, place, seed })
    const took = `${((performance.now() - beganMs) / 1000).toFixed(1)} s`
    if (wrong.length === 0) {
      say(`ok     ${title} (${took})`)
      rmSync(place, { recursive: true, force: true })
    } else {
      failed++
      say(`FAILED ${title} (${took}, seed ${seed})`)
      for (const line of wrong) say(`       ${line}`)
      if (!options.keep) rmSync(place, { recursive: true, force: true })
    }
  }
  if (!options.keep) rmSync(root, { recursive: true, force: true })
  else say(`directories that failed are kept in ${root}`)
  if (wanted.length === 0) {
    say('no scenario has that in its name')
    return 2
  }
  say(`${wanted.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** @returns {Promise<string[]>} what is wrong; nothing if all is well */
async function run(scenario, { version, place, seed }) {
  if (scenario.what === 'filters') return runFilters(scenario, { version, place, seed })
  if (scenario.what === 'tables') return runTables({ version, place, seed })
  return runStores(scenario, { version, place, seed })
}

async function runTables(options) {
  const { compareTables } = await import('./tables.mjs')
  try {
    return shown('tables differ', await compareTables(options))
  } catch (error) {
    return [String(error.stack ?? error)]
  }
}

/** Loaded late, because it needs what `buildVarve` compiles. */
async function runFilters({ expressionCount }, { version, place, seed }) {
  const { compareFilters } = await import('./sql-filter.mjs')
  try {
    return shown('filters differ', await compareFilters({ version, place, seed, expressionCount }))
  } catch (error) {
    return [String(error.stack ?? error)]
  }
}

async function runStores(scenario, { version, place, seed }) {
  const { sizes, recordChecksum, stepCount, rounds } = scenario
  const directory = join(place, 'store')
  const segmentBytes = sizes.segmentBytes ?? 2 ** 30
  const model = new Model({ segmentBytes, recordChecksum })
  const crashes = rounds.some(({ end }) => end !== 'clean')
  const sides = sidesOf({ version, directory, flags: { ...sizes, recordChecksum }, crashes })
  try {
    for (const [round, { writer, end, flush, readers }] of rounds.entries()) {
      const where = rounds.length === 1 ? '' : `round ${round + 1}: `
      const steps = makePlan({ seed: seed * 1000 + round, stepCount, segmentBytes })
      const plan = join(place, 'plan')
      writeFileSync(plan, steps.map(step => `${JSON.stringify(step)}\n`).join(''))
      const acknowledged = await sides[writer].write({ plan, end, flush, stepCount })
      const wrong = acknowledgedWrongly(model, steps, acknowledged)
      if (wrong.length > 0) return shown(`${where}${writer} acknowledges`, wrong)
      if (end !== 'killed' && acknowledged.length < steps.length) return [`${where}${writer} left steps out`]

      for (const [turn, reader] of readers.entries()) {
        const listed = await sides[reader].list()
        if (turn === 0) takeUnacknowledged(model, steps.slice(acknowledged.length), listed)
        const wrong = differences(model, listed)
        if (wrong.length > 0) return shown(`${where}${reader} lists, after ${writer} wrote`, wrong)
      }
    }
  } catch (error) {
    return [String(error.stack ?? error)]
  }
  return []
}

/** Brings the model up to date, and says where the store put something elsewhere than the format demands. */
function acknowledgedWrongly(model, steps, acknowledged) {
  const wrong = []
  for (const [step, line] of acknowledged.entries()) {
    const at = model.placesOf(steps[step]).find(place => place === line.physicalOffset)
    const { physicalOffset, queueOffset, sizeBytes } = model.append(steps[step], at)
    if (
      line.step !== step ||
      line.physicalOffset !== physicalOffset ||
      line.queueOffset !== queueOffset ||
      line.sizeBytes !== sizeBytes
    ) {
      wrong.push(
        `${JSON.stringify(line)} instead of ${JSON.stringify({ step, physicalOffset, queueOffset, sizeBytes })}`
      )
    }
  }
  return wrong
}

/** What a killed process had written but not yet acknowledged may be there, in order and whole, or not. */
function takeUnacknowledged(model, steps, listed) {
  const places = new Set(listed.filter(({ kind }) => kind === 'record').map(({ physicalOffset }) => physicalOffset))
  for (const step of steps) {
    const at = model.placesOf(step).find(place => places.has(place))
    if (at === undefined) break
    model.append(step, at)
  }
  model.continueFrom(listed.find(({ kind }) => kind === 'log').until)
}

function sidesOf({ version, directory, flags, crashes }) {
  const varveScript = fileURLToPath(new URL('varve-store.mjs', import.meta.url))
  const { mapper, threads } = options
  const store = { dir: directory, ...flags }
  // By default Apache drops its index after a crash and rebuilds only what it replays; so told, it rebuilds all of it.
  const apacheStore = { ...store, indexSafe: crashes }
  const runVarve = (verb, more, { mayEnd = [0], ...options } = {}) =>
    linesOf(process.execPath, [varveScript, verb, ...commandLine({ ...store, mapper, threads, ...more })], {
      mayEnd,
      ...options
    })
  const killed = (end, stepCount) => (end === 'killed' ? { killAfterLines: stepCount >> 1 } : {})
  return {
    varve: {
      write: ({ end, stepCount, plan, flush }) =>
        runVarve(
          'write',
          { plan, flush, end: endFlag(end) },
          { mayEnd: end === 'clean' ? [0] : ['SIGKILL'], ...killed(end, stepCount) }
        ),
      list: () => runVarve('list')
    },
    apache: {
      write: ({ end, stepCount, plan, flush }) =>
        runApache(
          version,
          'write',
          { ...apacheStore, plan, flush, end: endFlag(end) },
          { crashes: end !== 'clean', ...killed(end, stepCount) }
        ),
      list: () => runApache(version, 'list', apacheStore)
    }
  }
}

/** A process that is to be killed must not get to a clean end if it wins the race. */
function endFlag(end) {
  return end === 'killed' ? 'halt' : end
}

function shown(what, wrong) {
  if (wrong.length === 0) return []
  const rest = wrong.length - DIFFERENCES_SHOWN
  return [
    `${what}:`,
    ...wrong.slice(0, DIFFERENCES_SHOWN).map(line => `  ${line}`),
    ...(rest > 0 ? [`  and ${rest} more`] : [])
  ]
}

function chosenVersions() {
  const version = options.version ?? (options.short ? APACHE_VERSIONS[0] : 'both')
  if (version === 'both') return APACHE_VERSIONS
  if (!APACHE_VERSIONS.includes(version))
    throw new Error(`--version is one of ${APACHE_VERSIONS.join(', ')} or both, not ${version}`)
  return [version]
}

/** The suite tests the compiled package, so it must be that of these sources. */
function buildVarve() {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  if (!existsSync(tsc)) throw new Error('the compiler is missing; `npm run setup` installs it')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the sources do not compile')
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
