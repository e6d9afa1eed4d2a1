/** `varve bench compare`: two reports, and which of their figures differ by more than chance explains. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { VarveError } from '../../base/index.ts'
import { type Comparison, comparisonOf, type Difference, reportsIn } from '../../load/index.ts'
import { type CliWorld, EXIT, printJson, printLines, table } from '../terminal.ts'
import { counted, safeText, shortened } from '../words.ts'

const CONDITIONS_SHOWN = 12
const TEXT_LENGTH_MAX = 48

interface CompareFlags {
  readonly all?: true
  readonly failIfWorse?: true
  readonly json?: true
}

export function benchCompareCommand(world: CliWorld): Command {
  return new Command('compare')
    .description('says what is different between two reports beyond the noise of their rounds')
    .argument('<a>', 'a report: report.json, a baseline, or what --json has printed')
    .argument('<b>', 'the one that is held against it')
    .option('--all', 'shows what is within the noise too')
    .option('--fail-if-worse', 'ends with status 1 if anything got worse beyond the noise')
    .option('--json', 'print JSON on stdout, and nothing else')
    .action(async (a: string, b: string, flags: CompareFlags) => {
      const comparison = comparisonOf(reportsIn(a, read(a)), reportsIn(b, read(b)))
      if (flags.json) await printJson(world, comparison)
      else await printLines(world, inWords(comparison, flags.all === true))
      const gotWorse = comparison.differences.some(({ isBeyondNoise, isBetter }) => isBeyondNoise && !isBetter)
      if (flags.failIfWorse && gotWorse) world.exit(EXIT.failure)
    })
}

/** @throws VarveError REPORT_UNREADABLE */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new VarveError('REPORT_UNREADABLE', { file }, { cause })
  }
}

function inWords({ differences, conditions, onlyInA, onlyInB }: Comparison, all: boolean): string[] {
  const beyond = differences.filter(({ isBeyondNoise }) => isBeyondNoise)
  const shown = all ? differences : beyond
  const head = ['benchmark', 'side', 'figure', 'a', 'b', 'b / a', 'rounds', '']
  return [
    ...conditionLines(conditions),
    ...(shown.length === 0 ? [] : [...table([head, ...shown.map(differenceRow)]), '']),
    `${counted(beyond.length, 'figure')} beyond the noise, ${differences.length - beyond.length} within it`,
    ...onlyLine('a', onlyInA),
    ...onlyLine('b', onlyInB),
    ...(differences.some(({ rounds }) => rounds < 3)
      ? ['fewer than three rounds tell little of the noise: only what is 15 % apart counts; run with --rounds 5']
      : [])
  ]
}

function differenceRow({
  benchmark,
  side,
  figure,
  a,
  b,
  ratio,
  rounds,
  isBeyondNoise,
  isBetter
}: Difference): string[] {
  const verdict = isBeyondNoise ? (isBetter ? 'better' : 'WORSE') : 'same'
  return [
    safeText(benchmark),
    safeText(side),
    figure,
    number(a),
    number(b),
    `×${ratio.toFixed(2)}`,
    String(rounds),
    verdict
  ]
}

function conditionLines(conditions: Comparison['conditions']): string[] {
  if (conditions.length === 0) return []
  const short = (text: string) => shortened(safeText(text), TEXT_LENGTH_MAX)
  const rows = conditions.slice(0, CONDITIONS_SHOWN).map(({ what, a, b }) => [short(what), short(a), short(b)])
  const more = conditions.length - rows.length
  return ['not the same:', ...table([['', 'a', 'b'], ...rows]), ...(more > 0 ? [`and ${more} more`] : []), '']
}

const onlyLine = (side: string, names: readonly string[]): string[] =>
  names.length === 0 ? [] : [`only in ${side}: ${names.map(safeText).join(', ')}`]

/** Three significant digits, or all of a larger number. */
function number(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))
}
