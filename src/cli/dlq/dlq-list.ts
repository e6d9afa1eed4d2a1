/** `varve dlq list`: which groups have dead letters, and how many; of one group, each of them in a line. */
import { Command } from 'commander'
import { DEAD_LETTER_TOPIC_PREFIX } from '../../broker/index.ts'
import { type Brokers, openBrokers } from '../brokers.ts'
import { type CliWorld, printJson, printLines, table } from '../terminal.ts'
import { counted, safeText, shortened, timeInWords } from '../words.ts'
import { type DeadLetter, deadLetters, headOf } from './dead-letters.ts'
import { type DlqFlags, withFilterFlags } from './dlq-flags.ts'
import { reportFailures } from './partial.ts'

/** Without `--limit`: a terminal shows no more at once. */
const SHOWN_MAX = 100
const TEXT_LENGTH_MAX = 40

interface GroupRow {
  readonly group: string
  readonly broker: string
  readonly count: number
}

export function dlqListCommand(world: CliWorld): Command {
  return withFilterFlags(new Command('list'))
    .description('which groups have dead letters; of one group, each of them')
    .argument('[group]', 'a consumer group')
    .action(async (group: string | undefined, flags: DlqFlags) => {
      await using brokers = await openBrokers(flags, world.clock)
      if (group === undefined) await listGroups(world, brokers, flags)
      else await listLetters(world, brokers, group, flags)
      await reportFailures(world, brokers.failures, flags.json === true)
    })
}

async function listGroups(world: CliWorld, brokers: Brokers, { json }: DlqFlags): Promise<void> {
  const rows: GroupRow[] = []
  await brokers.each(async broker => {
    for (const topic of await broker.topics(DEAD_LETTER_TOPIC_PREFIX)) {
      const ranges = await broker.queues(topic)
      const count = ranges.reduce((sum, { from, until }) => sum + until - Math.max(0, from), 0)
      rows.push({ group: topic.slice(DEAD_LETTER_TOPIC_PREFIX.length), broker: broker.name, count })
    }
  })
  if (json) for (const row of rows) await printJson(world, row)
  else if (rows.length === 0) await printLines(world, ['no group has a topic for dead letters'])
  else await printLines(world, table([['group', 'broker', 'dead letters'], ...rows.map(rowInWords)]))
}

const rowInWords = ({ group, broker, count }: GroupRow) => [safeText(group), safeText(broker), count]

async function listLetters(world: CliWorld, brokers: Brokers, group: string, flags: DlqFlags): Promise<void> {
  const limit = flags.limit ?? (flags.json ? Number.POSITIVE_INFINITY : SHOWN_MAX)
  const rows: string[][] = []
  let count = 0
  let hasMore = false
  await brokers.each(async broker => {
    for await (const letter of deadLetters(broker, group, flags)) {
      hasMore = count === limit
      if (hasMore || world.interrupted.aborted) return
      count++
      if (flags.json) await printJson(world, headOf(letter))
      else rows.push(letterInWords(letter))
    }
  })
  if (flags.json) return
  if (rows.length === 0) return printLines(world, ['no dead letters'])
  await printLines(world, table([['broker', 'offset', 'dead since', 'tries', 'origin', 'tag', 'keys', 'id'], ...rows]))
  if (hasMore) await printLines(world, ['', `and more than these ${counted(count, 'dead letter')}: see --limit`])
}

function letterInWords({ broker, message, id, origin }: DeadLetter): string[] {
  const { queueOffset, storedAtMs, reconsumeTimes, tag, keys } = message
  const short = (text: string | undefined) => shortened(safeText(text ?? '-'), TEXT_LENGTH_MAX)
  return [
    short(broker.name),
    String(queueOffset),
    timeInWords(storedAtMs),
    String(reconsumeTimes),
    short(origin),
    short(tag),
    short(keys.length === 0 ? undefined : keys.join(' ')),
    id
  ]
}
