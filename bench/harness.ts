/**
 * The two ways of asking which of two is faster. An absolute time says little on a shared machine; a ratio of two
 * that take turns says a lot, and only ratios are ever a gate.
 *
 * - `compare`: two functions in this process, timed by tinybench in turns.
 * - `alternate`: whole processes in turns, each of which prints one measurement.
 *
 * Both refuse to print a figure unless all sides did the same work. At smoke size the bounds are not enforced: a run of
 * milliseconds proves that the benchmark works, not how fast anything is.
 */

import { strict as check } from 'node:assert'
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import { type Measurement, type Report, spreadOf, type Verdict, type Work } from '../src/load/index.ts'
import { compiledCase } from './project.ts'
import { environment, shown } from './report.ts'
import { warmMemory } from './warm-memory.ts'

export interface BenchOptions {
  /** Tiny sizes: for tests. */
  readonly smoke: boolean
  /** Everything in about ten minutes: one short round, and servers that are slow to warm up only where they matter most. */
  readonly quick?: boolean
  /** Of the sizes of what is large: backlogs, stores. 1 is what the figures of the project are about. */
  readonly scale?: number
  /** How often each side runs; each benchmark has a default of its own. */
  readonly rounds?: number
  /** How long one run of a side that runs for a time takes. */
  readonly seconds?: number
  /** Without them only sides that need no further package run. */
  readonly peers: boolean
  /** Where the measured files lie; what a run makes there is removed after it. */
  readonly directory: string
  /** One line for each step, for whoever waits. */
  readonly progress: (line: string) => void
}

export interface Benchmark {
  /** Folder and file below bench/, without endings. */
  readonly name: string
  readonly question: string
  /** Others are a side of it. */
  readonly hasPeers?: boolean
  /** Takes minutes: runs where it is named, or with `--long`; `but-quick` also in a quick run, where it is small. */
  readonly isLong?: boolean | 'but-quick'
  run(options: BenchOptions): Promise<Report>
}

export interface Sides {
  /** Each call does the whole work and says what it did. */
  readonly reference: () => Work
  readonly candidate: () => Work
  /** Limits of time of the candidate / time of the reference; below 1 the candidate is faster. */
  readonly ratioMax?: number
  readonly ratioMin?: number
  /** Instead of demanding equal count and hash. Throws where the work differs. */
  readonly checkSame?: (reference: Work, candidate: Work) => void
  readonly rounds?: number
  /** Time of one side in one round. */
  readonly roundMs?: number
}

/** A side that is timed in its own process, or in somebody else's. */
export interface Contender {
  readonly name: string
  /** Not ours, and left out without `options.peers`. */
  readonly isPeer?: boolean
  /** Takes long to warm up. */
  readonly isSlow?: boolean
  /** Why it cannot run on this machine, in words; may first install what it needs. Absent: it always can. */
  readonly whyNot?: (progress: (line: string) => void) => string | undefined
  /** `directory` is fresh for each run, and removed after it. */
  run(place: { readonly directory: string; readonly round: number }): Promise<Measurement>
}

/** What must hold for the medians. Bounds of contenders that were left out fall away. */
export interface Bound {
  readonly of: 'rate' | 'cpuUsPerMessage' | 'p50Us' | 'p99Us' | 'maxUs' | (string & {})
  readonly side: string
  /** Then the bound is on side / against, round by round; otherwise on the figure itself, and never a gate. */
  readonly against?: string
  readonly atLeast?: number
  readonly atMost?: number
  /** Of the side itself: what is good enough, whatever the other one has. */
  readonly orElseAtLeast?: number
}

const ROUNDS = 15
const ROUND_MS = 100
const QUICK = { rounds: 5, roundMs: 40 } as const

export async function compare(benchmark: Benchmark, options: BenchOptions, sides: Sides): Promise<Report> {
  const rounds = options.rounds ?? (options.smoke ? 1 : options.quick ? QUICK.rounds : (sides.rounds ?? ROUNDS))
  const roundMs = options.smoke ? 1 : options.quick ? QUICK.roundMs : (sides.roundMs ?? ROUND_MS)
  const work = { reference: sides.reference(), candidate: sides.candidate() }
  const checkSame = sides.checkSame ?? demandSame
  checkSame(work.reference, work.candidate)

  options.progress(`${benchmark.name}: ${rounds} rounds`)
  const seconds: { reference: number; candidate: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['reference', 'candidate'] as const) : (['candidate', 'reference'] as const)
    const took = { reference: 0, candidate: 0 }
    for (const side of order) took[side] = timed(sides[side], { timeMs: roundMs, warmUp: round < 2 && !options.smoke })
    seconds.push(took)
  }
  checkSame(sides.reference(), sides.candidate()) // What the optimiser made of them still does the same.

  const ratio = spreadOf(seconds.map(({ reference, candidate }) => candidate / reference))
  return {
    benchmark: benchmark.name,
    question: benchmark.question,
    environment: environment(options.directory),
    rounds,
    medians: (['reference', 'candidate'] as const).map(side => {
      const median = spreadOf(seconds.map(took => took[side])).median
      const { count } = work[side]
      return {
        name: side,
        messages: count,
        seconds: median,
        rate: count / median,
        cpuUsPerMessage: (median * 1e6) / count,
        work: work[side],
        settings: {},
        details: {}
      }
    }),
    ratios: [{ of: 'time', a: 'candidate', b: 'reference', ...ratio }],
    verdicts: options.smoke
      ? []
      : [
          ...(sides.ratioMax === undefined
            ? []
            : [verdict('candidate / reference, time', ratio.median, { atMost: sides.ratioMax, against: 'reference' })]),
          ...(sides.ratioMin === undefined
            ? []
            : [verdict('candidate / reference, time', ratio.median, { atLeast: sides.ratioMin, against: 'reference' })])
        ],
    leftOut: [],
    runs: []
  }
}

/** Seconds of one call, the median over `timeMs`. */
function timed(run: () => Work, { timeMs, warmUp }: { timeMs: number; warmUp: boolean }): number {
  const bench = new Bench({
    time: timeMs,
    iterations: 3,
    warmup: warmUp,
    warmupTime: timeMs,
    warmupIterations: 3,
    throws: true
  })
  bench.add('side', run, { async: false })
  const [task] = bench.runSync()
  const result = task?.result
  check(result !== undefined && 'latency' in result, 'tinybench timed the side')
  return result.latency.p50 / 1000
}

export interface Alternation {
  readonly contenders: readonly Contender[]
  readonly bounds: readonly Bound[]
  readonly rounds?: number
  /** For contenders that run for a time, so that their counts differ: only the hashes are then compared. */
  readonly countsDiffer?: boolean
  /** What the numbers behind the names of the sides count. */
  readonly sweep?: string
  /** Worth the time of a slow peer also in a quick run. */
  readonly isHeadline?: boolean
  /** Leaves the page cache as it is, for what is measured on a store that was just written. */
  readonly keepCache?: boolean
}

/** The first contender is the one in question: ratios are its figures over those of each other one. */
export async function alternate(
  benchmark: Benchmark,
  options: BenchOptions,
  alternation: Alternation
): Promise<Report> {
  const { bounds } = alternation
  const leftOut: { name: string; why: string }[] = []
  const contenders = alternation.contenders.filter(({ name, isPeer = false, isSlow = false, whyNot }) => {
    const why =
      isPeer && !options.peers
        ? 'peers were not asked for'
        : isSlow && options.quick && alternation.isHeadline !== true
          ? 'it takes long to warm up; `npm run bench:peers` has it'
          : whyNot?.(options.progress)
    if (why !== undefined) leftOut.push({ name, why })
    return why === undefined
  })
  const rounds = options.rounds ?? (options.smoke || options.quick ? 1 : (alternation.rounds ?? 3))
  const runs: Measurement[][] = []
  for (let round = 0; round < rounds; round++) {
    const measured = new Map<string, Measurement>()
    // Back and forth, so that a machine that slows down meanwhile favours nobody.
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      options.progress(`${benchmark.name}: round ${round + 1} of ${rounds}, ${contender.name}`)
      const directory = join(
        options.directory,
        `${benchmark.name.replaceAll('/', '-')}-${contender.name}-${process.pid}`
      )
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true })
      if (!options.smoke && alternation.keepCache !== true) warmMemory(options.progress)
      try {
        measured.set(contender.name, { ...(await contender.run({ directory, round })), name: contender.name })
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    }
    const inOrder = contenders.map(({ name }) => measured.get(name)!) // Each contender was just run.
    const [first, ...others] = inOrder
    for (const other of others) demandSame(first!.work, other.work, alternation.countsDiffer === true && !options.smoke)
    runs.push(inOrder)
  }

  const names = contenders.map(({ name }) => name)
  const of = (run: readonly Measurement[], name: string) => run[names.indexOf(name)]!
  const ratio = (figure: string, a: string, b: string) => ({
    of: figure,
    a,
    b,
    ...spreadOf(runs.map(run => figureOf(of(run, a), figure) / figureOf(of(run, b), figure)))
  })
  return {
    benchmark: benchmark.name,
    question: benchmark.question,
    environment: environment(options.directory),
    rounds,
    medians: names.map(name => medianOf(runs.map(run => of(run, name)))),
    ratios: names.slice(1).flatMap(name => [ratio('rate', names[0]!, name), ratio('cpuUsPerMessage', names[0]!, name)]),
    verdicts: options.smoke
      ? []
      : bounds
          .filter(bound => names.includes(bound.side) && (bound.against === undefined || names.includes(bound.against)))
          .map(bound =>
            bound.against === undefined
              ? verdict(
                  `${bound.side}, ${bound.of}`,
                  spreadOf(runs.map(run => figureOf(of(run, bound.side), bound.of))).median,
                  bound
                )
              : ratioVerdict(bound, bound.against, {
                  ratio: ratio(bound.of, bound.side, bound.against).median,
                  own: spreadOf(runs.map(run => figureOf(of(run, bound.side), bound.of))).median
                })
          ),
    leftOut,
    ...(alternation.sweep === undefined ? {} : { sweep: alternation.sweep }),
    runs
  }
}

/** A contender that runs a compiled case file with `settings` and the directory that it is given. */
export function caseProcess(name: string, file: string, settings: Readonly<Record<string, unknown>>): Contender {
  return { name, run: ({ directory }) => runCaseFile(file, { ...settings, directory }) }
}

/** Runs a case file and reads the one JSON line that it prints last. */
export async function runCaseFile<Result = Measurement>(
  file: string,
  settings: Readonly<Record<string, unknown>>
): Promise<Result> {
  const { stdout, exit } = await runToEnd(compiledCaseArgs(file, settings))
  const line = stdout.trimEnd().split('\n').at(-1) ?? ''
  if (exit !== '0' || !line.startsWith('{')) {
    throw new Error(`${file} ended with ${exit} for ${JSON.stringify(settings)}; its last line: ${line}`)
  }
  return JSON.parse(line) as Result
}

export function compiledCaseArgs(file: string, settings: Readonly<Record<string, unknown>>): readonly string[] {
  return [compiledCase(file), JSON.stringify(settings)]
}

/** For cases whose purpose is to die: resolves with the exit code, or the signal's name. */
export async function runToEnd(args: readonly string[]): Promise<{ stdout: string; exit: string }> {
  const child = spawn(process.execPath, ['--enable-source-maps', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const exit = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(String(code ?? signal)))
  })
  return { stdout, exit }
}

function demandSame(reference: Work, candidate: Work, countsDiffer = false): void {
  if (!countsDiffer) check.equal(candidate.count, reference.count, 'both sides handled as many')
  check.equal(candidate.hash, reference.hash, 'both sides came to the same result')
}

function verdict(
  claim: string,
  reached: number,
  { atLeast, atMost, against }: Pick<Bound, 'atLeast' | 'atMost' | 'against'>
): Verdict {
  const limits = [atLeast === undefined ? '' : `at least ${atLeast}`, atMost === undefined ? '' : `at most ${atMost}`]
  return {
    claim: `${claim} ${limits.filter(Boolean).join(' and ')}`,
    reached,
    gate: against !== undefined,
    holds: reached >= (atLeast ?? Number.NEGATIVE_INFINITY) && reached <= (atMost ?? Number.POSITIVE_INFINITY)
  }
}

function ratioVerdict(bound: Bound, against: string, { ratio, own }: { ratio: number; own: number }): Verdict {
  const judged = verdict(`${bound.side} / ${against}, ${bound.of}`, ratio, bound)
  const { orElseAtLeast } = bound
  if (orElseAtLeast === undefined) return judged
  const claim = `${judged.claim}, or ${bound.of} at least ${shown(orElseAtLeast)}`
  return { ...judged, claim, holds: judged.holds || own >= orElseAtLeast }
}

const FIGURES = ['messages', 'seconds', 'rate', 'cpuUsPerMessage', 'p50Us', 'p99Us', 'p999Us', 'maxUs'] as const

function figureOf(measurement: Measurement, figure: string): number {
  const isCommon = (FIGURES as readonly string[]).includes(figure)
  const value = isCommon ? measurement[figure as (typeof FIGURES)[number]] : measurement.details[figure]
  if (value === undefined) throw new Error(`${measurement.name} has no figure ${figure}`)
  return value
}

function medianOf(runs: readonly Measurement[]): Measurement {
  const [first] = runs
  check(first !== undefined, 'a side ran at least once')
  const median = (figure: string) => spreadOf(runs.map(run => figureOf(run, figure))).median
  return {
    ...first,
    ...Object.fromEntries(FIGURES.filter(name => first[name] !== undefined).map(name => [name, median(name)])),
    details: Object.fromEntries(Object.keys(first.details).map(name => [name, median(name)]))
  }
}
