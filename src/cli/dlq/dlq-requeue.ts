/**
 * `varve dlq requeue`: dead letters are sent again to where they were sent first, each as it was but for what retrying has
 * added. The dead letters stay where they are: a log takes nothing back.
 *
 * Each message is reported by itself. What fails does not keep the others from being sent, and a run that is not whole says
 * so: by its exit status, and by naming what is left.
 */
import { Command } from 'commander'
import { VarveError } from '../../base/index.ts'
import { SYS_FLAG } from '../../layout/index.ts'
import { openBrokers } from '../brokers.ts'
import { type CliWorld, EXIT, printJson, printLines } from '../terminal.ts'
import { counted } from '../words.ts'
import { type DeadLetter, deadLetters } from './dead-letters.ts'
import { type DlqFlags, isFiltered, withFilterFlags } from './dlq-flags.ts'
import { reportFailures } from './partial.ts'
import { requeuedProperties } from './requeued-properties.ts'

type RequeueFlags = DlqFlags & { readonly all?: true; readonly topic?: string; readonly dryRun?: true }

/** Of a producer's own bits these are still true; transactions are over. */
const KEPT_BITS = ~SYS_FLAG.TRANSACTION_MASK
const PRODUCER_GROUP = 'VARVE_DLQ_REQUEUE'
/** The broker chooses. */
const ANY_QUEUE = -1

interface Outcome {
  readonly offset: number
  readonly id: string
  readonly topic: string | undefined
  /** Of the message that was stored. */
  readonly newId?: string
  readonly error?: VarveError
}

export function dlqRequeueCommand(world: CliWorld): Command {
  return withFilterFlags(new Command('requeue'))
    .description('sends dead letters again to the topic that they came from; says of each whether it was sent')
    .argument('<group>', 'a consumer group')
    .option('--all', 'all of them; without it a filter is needed')
    .option('--topic <name>', 'to this topic instead of the one that each came from')
    .option('--dry-run', 'says what would be sent where, and sends nothing')
    .action(async (group: string, flags: RequeueFlags, command: Command) => {
      if (!flags.all && !isFiltered(flags)) command.error('error: say which dead letters are meant, or --all')
      await using brokers = await openBrokers(flags, world.clock)
      const tally = new Tally(world, group, flags)
      await brokers.each(async broker => {
        for await (const letter of deadLetters(broker, group, flags)) {
          if (tally.count === flags.limit || world.interrupted.aborted) return tally.leave(letter)
          await tally.add(letter, await requeue(letter, flags))
        }
      })
      await tally.end(brokers.failures.length > 0)
      await reportFailures(world, brokers.failures, flags.json === true)
    })
}

/** A connection that is gone ends the run for its broker. @throws VarveError PEER_CLOSED */
async function requeue({ broker, id, origin, message }: DeadLetter, flags: RequeueFlags): Promise<Outcome> {
  const { queueOffset: offset } = message
  const topic = flags.topic ?? origin
  if (topic === undefined) {
    return { offset, id, topic, error: new VarveError('DEAD_LETTER_HOMELESS', { id }) }
  }
  if (flags.dryRun) return { offset, id, topic }
  try {
    const fields = {
      producerGroup: PRODUCER_GROUP,
      topic,
      // No topic is made for it: one that is gone is gone for a reason.
      defaultTopic: topic,
      defaultTopicQueueNums: 0,
      queueId: ANY_QUEUE,
      sysFlag: message.sysFlag & KEPT_BITS,
      bornTimestamp: message.bornAtMs,
      flag: message.flag,
      properties: requeuedProperties(message.properties),
      reconsumeTimes: 0,
      unitMode: false,
      batch: false
    }
    return { offset, id, topic, newId: await broker.send(fields, message.body) }
  } catch (error) {
    if (!(error instanceof VarveError) || error.code === 'PEER_CLOSED') throw error
    return { offset, id, topic, error }
  }
}

class Tally {
  readonly #world: CliWorld
  readonly #group: string
  readonly #flags: RequeueFlags
  #sent = 0
  #failed = 0
  #nextOffset: number | undefined

  constructor(world: CliWorld, group: string, flags: RequeueFlags) {
    this.#world = world
    this.#group = group
    this.#flags = flags
  }

  get count(): number {
    return this.#sent + this.#failed
  }

  async add({ broker }: DeadLetter, { offset, id, topic, newId, error }: Outcome): Promise<void> {
    if (error === undefined) this.#sent++
    else this.#failed++
    const { json, dryRun } = this.#flags
    if (json) {
      const outcome = error === undefined ? (dryRun ? 'would be sent' : 'sent') : 'failed'
      const failure = error && { code: error.code, message: error.message }
      await printJson(this.#world, { outcome, broker: broker.name, offset, id, topic, newId, error: failure })
    } else if (error !== undefined) {
      await this.#world.stderr.write(`varve: offset ${offset} of ${broker.name} was not sent: ${error.message}\n`)
    }
  }

  /** The first that is left. */
  leave({ message }: DeadLetter): void {
    this.#nextOffset ??= message.queueOffset
  }

  async end(someBrokerFailed: boolean): Promise<void> {
    const { json, dryRun, limit } = this.#flags
    const wasInterrupted = this.#nextOffset !== undefined && this.#world.interrupted.aborted
    const isPartial = this.#failed > 0 || someBrokerFailed || wasInterrupted
    if (isPartial) this.#world.exit(EXIT.failure)
    if (json) {
      const nextOffset = this.#nextOffset ?? null
      const counts = { [dryRun ? 'wouldBeSent' : 'sent']: this.#sent, failed: this.#failed }
      return printJson(this.#world, { group: this.#group, ...counts, partial: isPartial, nextOffset })
    }
    const done = `${counted(this.#sent, 'dead letter')} ${dryRun ? 'would be sent' : 'sent'}`
    const undone = this.#failed > 0 ? `, ${this.#failed} not` : ''
    const rest = this.#nextOffset === undefined ? '' : `; go on with --from ${this.#nextOffset}`
    const why = wasInterrupted ? ' (stopped)' : limit !== undefined && rest !== '' ? ' (--limit)' : ''
    await printLines(this.#world, [`${isPartial ? 'in part: ' : ''}${done}${undone}${rest}${why}`])
  }
}
