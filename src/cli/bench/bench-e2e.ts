/** `varve bench e2e`: senders and consumers on one broker, and how long a message is on its way. */
import { Command } from 'commander'
import { runLoad } from '../../load/index.ts'
import { positive } from '../store-options.ts'
import type { CliWorld } from '../terminal.ts'
import { type BrokerLoadFlags, FIXED_RATE_WINDOW, settingsOf, withBrokerFlags, withLoadFlags } from './bench-flags.ts'
import { placeOf } from './broker-place.ts'
import { runShown } from './live.ts'

interface EndToEndFlags extends BrokerLoadFlags {
  readonly window: number
  readonly consumers: number
  readonly lag: number
  readonly rate?: number
}

export function benchE2eCommand(world: CliWorld): Command {
  return withBrokerFlags(withLoadFlags(new Command('e2e')))
    .description('sends to a broker and consumes it again: latency is from sending to receiving')
    .option('--window <n>', 'requests in flight on each connection that sends', positive, 64)
    .option('--consumers <n>', 'connections that consume', positive, 4)
    .option('--lag <n>', 'messages that consumers may be behind before senders wait for them', positive, 8192)
    .option('--rate <n>', 'messages a second, whatever the broker does (open loop)', positive)
    .action(async ({ rate, window, consumers, lag, ...flags }: EndToEndFlags) => {
      const place = await placeOf(flags, world.clock)
      await runShown(world, {
        verb: 'e2e',
        question: `sending to ${place.broker}, and consuming it`,
        flags,
        bytesOf: () => flags.size,
        bodyBytes: flags.size,
        run: watch =>
          runLoad(
            {
              ...settingsOf(place, flags),
              load: 'end-to-end',
              window: rate === undefined ? window : FIXED_RATE_WINDOW,
              consumers,
              lagMax: lag,
              rate: rate ?? 0
            },
            watch
          )
      })
    })
}
