/** The flags that the verbs on dead letters share, and how each is read. */
import { type Command, InvalidArgumentError } from 'commander'
import { type BrokerFlags, NAME_SERVER_DEFAULT } from '../brokers.ts'
import { notNegative, positive } from '../store-options.ts'
import type { LetterFilter } from './dead-letters.ts'

export type DlqFlags = BrokerFlags & LetterFilter & { readonly json?: true }

export function withBrokerFlags(command: Command): Command {
  return command
    .option('--nameserver <host:port>', `asks every broker that it knows (default ${NAME_SERVER_DEFAULT})`)
    .option('--broker <host:port>', 'asks this broker alone')
    .option('--json', 'print JSON on stdout, one object a line, and nothing else')
}

export function withFilterFlags(command: Command): Command {
  return withBrokerFlags(command)
    .option('--id <id...>', 'only these: ids of the dead letter, of its first message, or of its producer')
    .option('--origin <topic>', 'only what was sent to this topic')
    .option('--tag <tag>', 'only with this tag')
    .option('--key <key>', 'only with this key')
    .option('--since <time>', 'only what died at this time or later: ISO 8601, or ms since 1970', timeOf)
    .option('--before <time>', 'only what died before this time', timeOf)
    .option('--from <offset>', 'only from this offset of the dead-letter queue on', notNegative)
    .option('--to <offset>', 'only up to this offset', notNegative)
    .option('--limit <n>', 'at most so many', positive)
}

/** Whether the filter names anything but how many. */
export function isFiltered({ id, origin, tag, key, since, before, from, to }: LetterFilter): boolean {
  return [id, origin, tag, key, since, before, from, to].some(value => value !== undefined)
}

function timeOf(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('a time is ISO 8601, like 2030-01-31T12:00:00Z, or ms since 1970')
  return ms
}
