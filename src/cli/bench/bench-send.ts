/** `varve bench send`: a broker under senders, flat out or at a fixed rate. */
import { Command } from 'commander'
import { runLoad } from '../../load/index.ts'
import { positive } from '../store-options.ts'
import type { CliWorld } from '../terminal.ts'
import { type BrokerLoadFlags, FIXED_RATE_WINDOW, settingsOf, withBrokerFlags, withLoadFlags } from './bench-flags.ts'
import { placeOf } from './broker-place.ts'
import { runShown } from './live.ts'

interface SendFlags extends BrokerLoadFlags {
  readonly window: number
  readonly batch: number
  readonly rate?: number
}

export function benchSendCommand(world: CliWorld): Command {
  return withBrokerFlags(withLoadFlags(new Command('send')))
    .description('sends to a broker: as much as it takes, or a fixed rate')
    .option('--window <n>', 'requests in flight on each connection', positive, 64)
    .option('--batch <n>', 'messages of one request', positive, 1)
    .option('--rate <n>', 'messages a second, whatever the broker does (open loop)', positive)
    .action(async ({ rate, window, batch, ...flags }: SendFlags) => {
      const place = await placeOf(flags, world.clock)
      await runShown(world, {
        verb: 'send',
        question: `sending to ${place.broker}`,
        flags,
        bytesOf: () => flags.size,
        bodyBytes: flags.size,
        run: watch =>
          runLoad(
            {
              ...settingsOf(place, flags),
              load: rate === undefined ? 'send' : 'fixed-rate',
              ...(rate === undefined ? { window, batchCount: batch } : { rate, window: FIXED_RATE_WINDOW })
            },
            watch
          )
      })
    })
}
