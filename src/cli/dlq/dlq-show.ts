/** `varve dlq show`: all of one dead letter, with its properties and its body. */
import { inflateSync } from 'node:zlib'
import { Command } from 'commander'
import { VarveError } from '../../base/index.ts'
import { SYS_FLAG } from '../../layout/index.ts'
import { openBrokers } from '../brokers.ts'
import { type CliWorld, facts, printJson, printLines } from '../terminal.ts'
import { bytesInWords, safeText } from '../words.ts'
import { type DeadLetter, deadLetters, headOf } from './dead-letters.ts'
import { type DlqFlags, withBrokerFlags } from './dlq-flags.ts'
import { reportFailures } from './partial.ts'

const BODY_SHOWN_MAX = 4096

export function dlqShowCommand(world: CliWorld): Command {
  return withBrokerFlags(new Command('show'))
    .description('shows one dead letter with its properties and its body')
    .argument('<group>', 'a consumer group')
    .argument('<id>', 'its id, that of its first message, that of its producer, or its offset in the dead-letter queue')
    .action(async (group: string, id: string, flags: DlqFlags) => {
      await using brokers = await openBrokers(flags, world.clock)
      const isOffset = /^\d{1,15}$/.test(id)
      const filter = isOffset ? { from: Number(id), to: Number(id) } : { id: [id] }
      let count = 0
      await brokers.each(async broker => {
        for await (const letter of deadLetters(broker, group, filter)) {
          count++
          await show(world, letter, flags)
        }
      })
      await reportFailures(world, brokers.failures, flags.json === true)
      if (count === 0 && brokers.failures.length === 0) throw new VarveError('MESSAGE_NOT_FOUND', { group, id })
    })
}

async function show(world: CliWorld, letter: DeadLetter, { json }: DlqFlags): Promise<void> {
  const { properties } = letter.message
  const body = plainBody(letter)
  if (json) return printJson(world, { ...headOf(letter), properties, body: Buffer.from(body).toString('base64') })
  const head = Object.entries(headOf(letter)).map(([name, value]): [string, string] => [name, textOf(value)])
  const more = Object.entries(properties).map(([name, value]): [string, string] => [safeText(name), safeText(value)])
  const text = safeText(new TextDecoder().decode(body.subarray(0, BODY_SHOWN_MAX)))
  const rest = body.length > BODY_SHOWN_MAX ? [`… ${bytesInWords(body.length - BODY_SHOWN_MAX)} more: see --json`] : []
  await printLines(world, [...facts(head), '', ...facts(more), '', text, ...rest, ''])
}

const textOf = (value: unknown): string =>
  safeText(Array.isArray(value) ? value.join(' ') || '-' : String(value ?? '-'))

/** As it was before its producer compressed it, where that can be undone here; else as it is. */
export function plainBody({ message: { body, sysFlag } }: DeadLetter): Uint8Array {
  if ((sysFlag & SYS_FLAG.COMPRESSED) === 0) return body
  try {
    return inflateSync(body)
  } catch {
    return body // Compressed in another way than by zlib, which is what clients use unless told otherwise.
  }
}
