/** The flags that the verbs of `varve bench` share, and how each is read. */
import { type Command, InvalidArgumentError } from 'commander'
import { GiB, KiB, MiB } from '../../base/index.ts'
import type { Extent, LoadSettings } from '../../load/index.ts'
import { positive } from '../store-options.ts'
import type { Place } from './broker-place.ts'

export interface ExtentFlags {
  readonly seconds: number
  readonly warmUp: number
  readonly count?: number
  readonly rounds: number
  readonly json?: true
}

export interface LoadFlags extends ExtentFlags {
  readonly size: number
  readonly topics: number
  readonly queues: number
}

export interface BrokerLoadFlags extends LoadFlags {
  readonly broker?: string
  readonly nameserver?: string
  readonly pid?: number
  readonly connections: number
  readonly topic: string
  readonly keep?: true
}

const SECONDS_MAX = 86_400
const SIZE_MAX = 4 * MiB - KiB
const UNITS: Readonly<Record<string, number>> = { '': 1, k: KiB, m: MiB, g: GiB }

export function withExtentFlags(command: Command): Command {
  return command
    .option('--seconds <n>', 'how long is measured', seconds, 10)
    .option('--warm-up <n>', 'seconds before it, which are in no figure', seconds, 2)
    .option('--count <n>', 'exactly so many messages, without a warm-up, instead of a time', positive)
    .option('--rounds <n>', 'the whole so many times: the spread tells what is noise', positive, 1)
    .option('--json', 'print a report as JSON on stdout, and nothing else')
}

export function withLoadFlags(command: Command): Command {
  return withExtentFlags(command)
    .option('--size <bytes>', 'of a body; 1k and 1m are understood', size, KiB)
    .option('--topics <n>', 'messages go round over so many', positive, 1)
    .option('--queues <n>', 'of each topic', positive, 8)
}

export function withBrokerFlags(command: Command): Command {
  return withPlaceFlags(command)
    .option('--topic <prefix>', 'topics are called so, with a number behind it', 'varve-bench')
    .option('--keep', 'leaves the topics there; otherwise they are deleted in the end')
}

export function withPlaceFlags(command: Command): Command {
  return command
    .option('--broker <host:port>', 'of any broker of RocketMQ (default 127.0.0.1:10911)')
    .option('--nameserver <host:port>', 'asks there for a broker, and takes the first master')
    .option('--pid <n>', 'the process of the broker, for its CPU; a broker on this machine is found', positive)
    .option('--connections <n>', 'to the broker', positive, 8)
}

/** So much may be in flight at a fixed rate on each connection: a broker that stands still must not hold back what is due. */
export const FIXED_RATE_WINDOW = 4096

export function settingsOf(place: Place, flags: BrokerLoadFlags): Omit<LoadSettings, 'load'> {
  return {
    ...place,
    extent: extentOf(flags),
    bodyBytes: flags.size,
    connections: flags.connections,
    topic: flags.topic,
    topicCount: flags.topics,
    queueCount: flags.queues,
    deletes: flags.keep !== true
  }
}

export function extentOf({ seconds, warmUp, count }: ExtentFlags): Extent {
  return count === undefined ? { seconds, warmUpSeconds: warmUp } : { count }
}

function seconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !(number >= 0 && number <= SECONDS_MAX))
    throw new InvalidArgumentError(`It must be a number from 0 to ${SECONDS_MAX}.`)
  return number
}

function size(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)([kmg]?)$/i.exec(text.trim()) ?? []
  const bytes = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN)
  // Eight bytes of a body are its number, for the check that what came back is what was sent.
  if (!(bytes >= 8 && bytes <= SIZE_MAX)) throw new InvalidArgumentError(`It must be from 8 bytes to ${SIZE_MAX}.`)
  return bytes
}
