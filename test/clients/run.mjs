/**
 * Real clients against a broker: `npm run test:clients -- [--short] [--only TEXT]… [--target varve | apache] [--lanes N] [--keep]`.
 *
 * Libraries that others wrote (flavours.mjs), each in processes of its own, do what applications do (scenarios/); their
 * journals are compared (judge.mjs). With `--target apache` the same scenarios run against Apache RocketMQ's own servers.
 * Needs Java 17, Maven and Go, and says so where they are missing: a suite that skips itself proves nothing.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setupOrExit } from '../../scripts/setup.mjs'
import { FLAVOURS } from './flavours.mjs'
import { buildTarget, TARGETS } from './targets.mjs'
import { World } from './world.mjs'

/** Scenarios mostly wait; so many run beside one another. */
const LANES = 3
/** Longer than any scenario takes where it goes well. */
const SCENARIO_MS_MAX = 420_000

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    target: { type: 'string', default: 'varve' },
    lanes: { type: 'string', default: String(LANES) },
    keep: { type: 'boolean', default: false }
  }
})

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`the suite cannot run: ${error.stack}\n`)
  process.exitCode = 1
}

async function main() {
  const kind = options.target
  if (TARGETS[kind] === undefined) throw new Error(`--target is varve or apache, not ${kind}`)
  // In a fresh clone nothing is compiled yet that the scenarios are made of.
  setupOrExit({ dev: true })
  const { scenarios } = await import('./scenarios/index.mjs')
  const wanted = chosen(scenarios, kind)
  if (wanted.length === 0) {
    say('no scenario has that in its name')
    return 2
  }
  build(kind, wanted)
  const root = mkdtempSync(join(tmpdir(), 'varve-clients-'))
  const shared = sharedTarget(kind, root)
  let failed = 0
  const waiting = [...wanted.entries()]
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, chosen] = next
      const home = join(root, String(index))
      mkdirSync(home)
      const beganMs = performance.now()
      const error = await run({ ...chosen, kind, home, shared: shared.target, index })
      const took = `${((performance.now() - beganMs) / 1000).toFixed(1)} s`
      if (error === undefined) say(`ok     [${index + 1}/${wanted.length}] ${chosen.title} (${took})`)
      else {
        failed++
        say(`FAILED [${index + 1}/${wanted.length}] ${chosen.title} (${took})\n${indented(error)}`)
      }
      if (error === undefined || !options.keep) rmSync(home, { recursive: true, force: true })
    }
  }
  try {
    await Promise.all(Array.from({ length: Number(options.lanes) }, lane))
  } finally {
    await shared.close()
  }
  if (options.keep) say(`directories of what failed are kept in ${root}`)
  else rmSync(root, { recursive: true, force: true })
  say(`${wanted.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** Each scenario once for each flavour that can do what it needs; one that needs no client once. */
function chosen(scenarios, kind) {
  return scenarios
    .filter(({ targets }) => targets === undefined || targets.includes(kind))
    .flatMap(scenario => {
      if (scenario.needs === undefined) return [{ scenario, title: scenario.name }]
      return FLAVOURS.filter(flavour => suits(flavour, scenario)).map(flavour => ({
        scenario,
        flavour,
        title: `${flavour.name}: ${scenario.name}`
      }))
    })
    .filter(({ scenario, flavour }) => !options.short || isShort(scenario, flavour))
    .filter(({ title }) => options.only.length === 0 || options.only.some(text => title.includes(text)))
}

function suits({ name, abilities }, scenario) {
  return scenario.needs.every(need => abilities.has(need)) && (scenario.with ?? name) === name
}

/** `short` names the flavours that stand for all in the short form; without it, none does. */
function isShort({ short = [] }, flavour) {
  return short === 'all' || short.some(name => flavour === undefined || flavour.name.startsWith(name))
}

function build(kind, wanted) {
  buildTarget(kind, say)
  for (const flavour of new Set(wanted.flatMap(({ flavour }) => flavour ?? []))) flavour.build(say)
  for (const { scenario } of wanted) scenario.build?.(say)
}

/** Opened when the first scenario asks for it. */
function sharedTarget(kind, root) {
  let opening
  return {
    target() {
      opening ??= TARGETS[kind]({ home: join(root, 'shared') })
      return opening
    },
    async close() {
      await (await opening)?.close()
    }
  }
}

async function run({ scenario, flavour, kind, home, shared, index }) {
  const world = new World({ kind, flavour, home, label: `s${index}`, shared })
  let timer
  try {
    await Promise.race([
      scenario.run(world),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not over after ${SCENARIO_MS_MAX} ms`)), SCENARIO_MS_MAX)
      })
    ])
  } catch (error) {
    return error
  } finally {
    clearTimeout(timer)
    await world.end()
  }
}

function indented(error) {
  return (error.stack ?? String(error)).replace(/^/gm, '       ')
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
