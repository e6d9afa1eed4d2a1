/** `varve store verify`: reads all of a store and says what is damaged, changing nothing. */
import { Command } from 'commander'
import { MiB } from '../base/index.ts'
import { type Damage, readDirectoryFacts, type VerifyReport, verifyStore } from '../store/index.ts'
import { filesFor, forStore, knownSizes, progressOf, type StoreVerbOptions, withJobs } from './store-options.ts'
import { type CliWorld, EXIT, facts, printJson, printLines } from './terminal.ts'
import { bytesInWords, counted, countInWords, durationInWords, rateInWords, safeText } from './words.ts'

/** Less is read sooner than threads are started. */
const THREADS_FROM_BYTES = 256 * MiB

interface VerifyVerbOptions extends StoreVerbOptions {
  readonly quick?: true
}

export function storeVerifyCommand(world: CliWorld): Command {
  return forStore(
    new Command('verify')
      .description('reads everything and says what is damaged; changes nothing')
      .option('--quick', 'compare the seals of full segments only')
  ).action(async (directory: string, options: VerifyVerbOptions) => {
    const report = await verify(world, directory, options)
    if (options.json) await printJson(world, report)
    else await printLines(world, inWords(report, options))
    if (report.damageCount > 0) world.exit(EXIT.damage)
  })
}

/** With progress, in threads. */
export async function verify(world: CliWorld, directory: string, options: VerifyVerbOptions): Promise<VerifyReport> {
  const files = filesFor(options)
  const progress = progressOf(world, 'verifying', options)
  try {
    const settings = {
      directory,
      quick: options.quick === true,
      sizes: knownSizes(options),
      clock: world.clock,
      onProgress: progress.show
    }
    const { segments } = readDirectoryFacts(files, directory, knownSizes(options))
    const bytes = segments.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0)
    if (bytes < THREADS_FROM_BYTES) return await verifyStore(files, settings)
    return await withJobs(files, runJob => verifyStore(files, { ...settings, runJob }))
  } finally {
    progress.end()
  }
}

export function damageInWords(damage: Damage): string {
  const { kind, problem, count, path, from, until, topic, queueId, queueOffset } = damage
  const place = [
    path,
    from !== undefined && until !== undefined ? `${countInWords(from)} to ${countInWords(until)}` : undefined,
    topic === undefined ? undefined : `topic ${topic} queue ${queueId}`,
    queueOffset === undefined ? undefined : `offset ${countInWords(queueOffset)}`
  ].filter(part => part !== undefined)
  const times = count === 1 ? '' : ` (${countInWords(count)} times)`
  return safeText(`${kind}: ${place.join(', ')}: ${problem}${times}`)
}

function inWords(report: VerifyReport, { quick }: VerifyVerbOptions): string[] {
  const { checkedBytes, tookMs, damage, damageCount } = report
  const checked = `${bytesInWords(checkedBytes)} in ${durationInWords(tookMs)}, ${rateInWords(checkedBytes, tookMs)}`
  const lines = quick
    ? facts([
        ['sealed', `${report.sealedCount} of ${counted(report.segmentCount, 'segment')}`],
        ['read', checked]
      ])
    : facts([
        [
          'log',
          `${countInWords(report.logStart)} to ${countInWords(report.logEnd)}, ${counted(report.segmentCount, 'segment')}, ${report.sealedCount} sealed`
        ],
        ['records', countInWords(report.recordCount)],
        [
          'queues',
          `${countInWords(report.queueCount)}, ${counted(report.entryCount, 'entry').replace('entrys', 'entries')}`
        ],
        ['index', `${counted(report.indexFileCount, 'file')}, ${counted(report.indexItemCount, 'item')}`],
        ['read', checked]
      ])
  for (const note of report.notes) lines.push(`note: ${note}`)
  if (report.tornTailBytes > 0)
    lines.push(
      `note: ${bytesInWords(report.tornTailBytes)} behind the last good record; the next start moves them into quarantine`
    )
  if (report.pendingCount > 0)
    lines.push(`note: ${counted(report.pendingCount, 'message')} not yet in a queue; the next start puts them there`)
  if (report.orphanCount > 0) lines.push(`note: ${counted(report.orphanCount, 'message')} of deleted topics`)
  if (damageCount === 0) return [...lines, 'no damage']
  lines.push('', `${counted(damageCount, 'damaged place')}:`, ...damage.map(entry => `  ${damageInWords(entry)}`))
  const listed = damage.reduce((count, entry) => count + entry.count, 0)
  if (listed < damageCount) lines.push(`  and ${countInWords(damageCount - listed)} more`)
  return [...lines, '', '`varve store repair` shows what can be mended']
}
