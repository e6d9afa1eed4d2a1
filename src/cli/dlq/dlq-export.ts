/** `varve dlq export`: dead letters whole, as JSON lines, to keep them or to look into them with other tools. */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { Command } from 'commander'
import { systemError } from '../../base/index.ts'
import { openBrokers } from '../brokers.ts'
import { type CliWorld, printJson, printLines } from '../terminal.ts'
import { counted } from '../words.ts'
import { type DeadLetter, deadLetters, headOf } from './dead-letters.ts'
import { type DlqFlags, withFilterFlags } from './dlq-flags.ts'
import { plainBody } from './dlq-show.ts'
import { reportFailures } from './partial.ts'

type ExportFlags = DlqFlags & { readonly output?: string }

export function dlqExportCommand(world: CliWorld): Command {
  return withFilterFlags(new Command('export'))
    .description('writes dead letters with their bodies (base64) as JSON lines')
    .argument('<group>', 'a consumer group')
    .option('-o, --output <file>', 'a new file instead of stdout')
    .action(async (group: string, flags: ExportFlags) => {
      await using brokers = await openBrokers(flags, world.clock)
      const file = flags.output === undefined ? undefined : await openNew(flags.output)
      let count = 0
      await brokers.each(async broker => {
        for await (const letter of deadLetters(broker, group, flags)) {
          if (count === flags.limit || world.interrupted.aborted) return
          const line = { ...headOf(letter), properties: letter.message.properties, body: base64(letter) }
          if (file === undefined) await printJson(world, line)
          else if (!file.write(`${JSON.stringify(line)}\n`)) await once(file, 'drain')
          count++
        }
      })
      if (file !== undefined) {
        await new Promise<void>(resolve => file.end(resolve))
        if (flags.json) await printJson(world, { group, exported: count, output: flags.output })
        else await printLines(world, [`${counted(count, 'dead letter')} in ${flags.output}`])
      }
      await reportFailures(world, brokers.failures, flags.json === true)
    })
}

const base64 = (letter: DeadLetter): string => Buffer.from(plainBody(letter)).toString('base64')

/** A file that is there already is left alone. @throws VarveError STORE_IO_FAILED and others that name the file */
async function openNew(path: string): Promise<WriteStream> {
  const file = createWriteStream(path, { flags: 'wx' })
  try {
    await once(file, 'open')
    return file
  } catch (cause) {
    throw systemError(cause, 'create', path)
  }
}
