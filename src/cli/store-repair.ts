/** `varve store repair`: shows what would be mended, and mends it with `--apply`. */
import { Command } from 'commander'
import { openStore } from '../embedded.ts'
import { applyRepair, planRepair, type RepairStep } from '../store/index.ts'
import { filesFor, forStore, knownSizes, progressOf, type StoreVerbOptions } from './store-options.ts'
import { verify } from './store-verify.ts'
import { type CliWorld, EXIT, printJson, printLines } from './terminal.ts'
import { counted, safeText } from './words.ts'

interface RepairVerbOptions extends StoreVerbOptions {
  readonly apply?: true
}

export function storeRepairCommand(world: CliWorld): Command {
  return forStore(
    new Command('repair')
      .description('shows what it would mend; nothing is changed without --apply')
      .option('--apply', 'do it')
  ).action(async (directory: string, options: RepairVerbOptions) => {
    const before = await verify(world, directory, options)
    const steps = planRepair(before)
    const applied = options.apply === true && steps.length > 0
    if (applied) await apply(world, before, options)
    const left = applied ? await verify(world, directory, options) : before
    if (options.json)
      await printJson(world, { directory, steps, applied, damage: left.damage, damageCount: left.damageCount })
    else await printLines(world, inWords(steps, applied, left.damageCount))
    if (left.damageCount > 0) world.exit(EXIT.damage)
  })
}

async function apply(
  world: CliWorld,
  report: Parameters<typeof applyRepair>[0],
  options: RepairVerbOptions
): Promise<void> {
  const progress = progressOf(world, 'rebuilding', options)
  try {
    await applyRepair(report, {
      files: filesFor(options),
      sizes: knownSizes(options),
      open: given => openStore({ ...given, mapper: options.mapper }),
      onProgress: progress.show
    })
  } finally {
    progress.end()
  }
}

function inWords(steps: readonly RepairStep[], applied: boolean, damageCount: number): string[] {
  if (steps.length === 0) return ['nothing to mend']
  const lines = [applied ? 'mended:' : 'would do:', ...steps.map(({ says }) => `  ${safeText(says)}`)]
  if (!applied) return [...lines, '', 'nothing was changed; --apply does it']
  if (damageCount === 0) return [...lines, 'no damage is left']
  return [...lines, `${counted(damageCount, 'damaged place')} left: what the log has lost, nothing here can bring back`]
}
