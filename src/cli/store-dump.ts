/** `varve store dump`: messages, or the raw structures of the files, as JSON lines. */
import { Command, Option } from 'commander'
import {
  type DirectoryFacts,
  type DumpedRecord,
  dumpEntries,
  dumpIndex,
  dumpLog,
  dumpQueue,
  type Files,
  readCheckpoint,
  readDamage,
  readDirectoryFacts,
  readSeals
} from '../store/index.ts'
import { filesFor, forStore, knownSizes, notNegative, positive, type StoreVerbOptions } from './store-options.ts'
import { type CliWorld, EXIT, printJson } from './terminal.ts'

type BodyForm = 'text' | 'base64' | 'hex' | 'none'

interface DumpVerbOptions extends StoreVerbOptions {
  readonly topic?: string
  readonly queue?: number
  readonly from?: number
  readonly count?: number
  readonly body: BodyForm
  readonly records?: true
  readonly consumeQueue?: true
  readonly index?: true
  readonly checkpoint?: true
  readonly state?: true
}

const STRUCTURES = ['records', 'consumeQueue', 'index', 'checkpoint', 'state']

export function storeDumpCommand(world: CliWorld): Command {
  const structure = (flag: string, says: string, name: string): Option =>
    new Option(flag, says).conflicts(STRUCTURES.filter(other => other !== name))
  return forStore(
    new Command('dump')
      .description('prints messages, or what stands in the files, one JSON object a line; changes nothing')
      .option('--topic <name>', 'only of this topic')
      .option('--queue <n>', 'only of this queue number', notNegative)
      .option(
        '--from <n>',
        'begin at this queue offset (with --topic and --queue), else at this position of the log',
        notNegative
      )
      .option('--count <n>', 'print at most so many', positive)
      .addOption(
        new Option('--body <form>', 'how bodies are printed').choices(['text', 'base64', 'hex', 'none']).default('text')
      )
      .addOption(structure('--records', 'records of the log, without body and properties', 'records'))
      .addOption(structure('--consume-queue', 'entries of consume queues', 'consumeQueue'))
      .addOption(structure('--index', 'headers and items of index files', 'index'))
      .addOption(structure('--checkpoint', 'the file checkpoint', 'checkpoint'))
      .addOption(structure('--state', "Varve's own state, seals and known damage", 'state'))
  ).action(async (directory: string, options: DumpVerbOptions) => {
    const files = filesFor(options)
    const facts = readDirectoryFacts(files, directory, knownSizes(options))
    let count = 0
    let damagedCount = 0
    for (const { value, damaged } of chosen(files, facts, options)) {
      if (damaged) damagedCount++
      await printJson(world, value)
      if (++count === options.count || world.interrupted.aborted) break
    }
    if (damagedCount > 0) world.exit(EXIT.damage)
  })
}

interface Line {
  readonly value: object
  readonly damaged: boolean
}

function* chosen(files: Files, facts: DirectoryFacts, options: DumpVerbOptions): Generator<Line> {
  const { topic, queue: queueId, from } = options
  const filter = { topic, queueId }
  if (options.checkpoint) yield { value: readCheckpoint(files, facts.directory), damaged: false }
  else if (options.state) yield { value: stateOf(files, facts), damaged: false }
  else if (options.index) for (const value of dumpIndex(files, facts)) yield { value, damaged: false }
  else if (options.consumeQueue)
    for (const value of dumpEntries(files, facts, filter, from)) yield { value, damaged: false }
  else if (options.records) for (const record of dumpLog(files, facts, filter, from)) yield lineOf(record, headOf)
  else {
    const found =
      topic !== undefined && queueId !== undefined
        ? dumpQueue(files, facts, { topic, queueId }, from)
        : dumpLog(files, facts, filter, from)
    for (const record of found) yield lineOf(record, message => messageOf(message, options.body))
  }
}

type Message = Extract<DumpedRecord, { type: 'message' }>['message']

function lineOf(record: DumpedRecord, print: (message: Message) => object): Line {
  if (record.type === 'damaged') return { value: { damaged: record.range }, damaged: true }
  const { message, problem } = record
  return {
    value: problem === undefined ? print(message) : { ...print(message), problem },
    damaged: problem !== undefined
  }
}

function headOf(message: Message): object {
  const { body, properties: _, tag: __, keys: ___, ...head } = { ...message.toJSON() } as Message // Plain fields of a message.
  return { ...head, bodyBytes: body.length }
}

function messageOf(message: Message, form: BodyForm): object {
  const { body, ...rest } = { ...message.toJSON() } as Message // Plain fields of a message.
  return form === 'none' ? { ...rest, bodyBytes: body.length } : { ...rest, body: printed(body, form) }
}

function printed(body: Uint8Array, form: Exclude<BodyForm, 'none'>): string {
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString(form === 'text' ? 'utf8' : form)
}

function stateOf(files: Files, { directory, state, condition }: DirectoryFacts): object {
  return {
    condition,
    state: state ?? null,
    seals: [...readSeals(files, directory).values()].map(seal => ({
      ...seal,
      hash: seal.hash.toString(16).padStart(16, '0')
    })),
    damage: readDamage(files, directory)
  }
}
