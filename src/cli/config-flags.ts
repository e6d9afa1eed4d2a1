/**
 * The flags that set values of a broker, for `start` and `config explain`. Loading them loads no broker.
 *
 * Not here: which keys they set (config-layers.ts).
 */
import { type Command, InvalidArgumentError, Option } from 'commander'

/** Where `varve start` runs, so that it is found; never the home directory by itself. */
export const STORE_DEFAULT = 'varve-data'

/** Of values that only this machine knows, such as its name. */
export const MACHINE_ORIGIN = 'this machine'

export interface ConfigFlags {
  readonly config?: string
  readonly store?: string
  readonly listen?: string
  readonly nameserver?: string
  readonly http?: string
  readonly flush?: string
  readonly advertise?: string
  readonly insecure?: true
  readonly set?: readonly string[]
}

/** The flags that set values, for `start` and `config`. */
export function withConfigFlags(command: Command): Command {
  return command
    .option('-c, --config <file>', 'a broker.conf of RocketMQ')
    .option('--store <directory>', `where the store is (default: ${STORE_DEFAULT})`)
    .option(
      '--listen <host:port>',
      'where clients connect; port 0 for any; off for no broker (default: 127.0.0.1:10911)'
    )
    .option('--nameserver <host:port>', 'where the name server listens, or off (default: 127.0.0.1:9876)')
    .option('--http <host:port>', 'where health and metrics are, or off (default: 127.0.0.1:5557)')
    .addOption(new Option('--flush <mode>', 'what an acknowledgement means').choices(['sync', 'async']))
    .option('--advertise <host[:port]>', 'what clients are told to connect to, if it is another address')
    .option('--insecure', 'listen on other addresses than loopback although clients are not authenticated yet')
    .option('--set <key=value>', 'any key of broker.conf; may be repeated', collect)
}

function collect(pair: string, pairs: readonly string[] = []): string[] {
  if (!/^\s*\w+\s*=/.test(pair)) throw new InvalidArgumentError('It must be key=value.')
  return [...pairs, pair]
}
