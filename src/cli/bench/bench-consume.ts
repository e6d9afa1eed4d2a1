/** `varve bench consume`: how fast a broker hands out what it holds, of a topic that is there or of a backlog made for it. */
import { Command } from 'commander'
import { VarveError } from '../../base/index.ts'
import { type LoadSettings, runLoad } from '../../load/index.ts'
import { connectBroker } from '../broker-client.ts'
import { positive } from '../store-options.ts'
import type { CliWorld } from '../terminal.ts'
import { type BrokerLoadFlags, extentOf, withLoadFlags, withPlaceFlags } from './bench-flags.ts'
import { placeOf } from './broker-place.ts'
import { runShown } from './live.ts'

const TOPIC_MADE = 'varve-bench'

interface ConsumeFlags extends Omit<BrokerLoadFlags, 'topic' | 'keep'> {
  readonly backlog: number
  readonly topic?: string
}

export function benchConsumeCommand(world: CliWorld): Command {
  return withPlaceFlags(withLoadFlags(new Command('consume')))
    .description('pulls from a broker, 32 messages at a time')
    .option('--topic <name>', 'one that is there: read once, from its oldest message on; no offset is committed')
    .option(
      '--backlog <n>',
      'without --topic: messages that are sent first, then read over and over',
      positive,
      200_000
    )
    .action(async ({ backlog, topic, ...flags }: ConsumeFlags) => {
      const place = await placeOf(flags, world.clock)
      const common = { ...place, connections: flags.connections }
      const settings: LoadSettings =
        topic === undefined
          ? {
              ...common,
              load: 'pull',
              extent: extentOf(flags),
              backlog,
              bodyBytes: flags.size,
              topic: TOPIC_MADE,
              topicCount: flags.topics,
              queueCount: flags.queues,
              deletes: true
            }
          : {
              ...common,
              load: 'consume',
              // Read once, so that a warm-up would be missing in the count.
              extent: flags.count === undefined ? { seconds: flags.seconds } : { count: flags.count },
              existing: await queuesOf(place.broker, topic, world)
            }
      await runShown(world, {
        verb: 'consume',
        question: `pulling from ${place.broker}`,
        flags,
        bytesOf: ({ details }) => details.recordBytesPerMessage ?? flags.size,
        bodyBytes: topic === undefined ? flags.size : undefined,
        run: watch => runLoad(settings, watch)
      })
    })
}

/** @throws VarveError TOPIC_UNKNOWN if the broker does not have it, or nothing in it */
async function queuesOf(broker: string, topic: string, { clock }: CliWorld) {
  const client = await connectBroker(broker, broker, clock)
  try {
    const queues = await client.queues(topic)
    const filled = queues.filter(({ from, until }) => until > Math.max(0, from))
    if (filled.length === 0) throw new VarveError('TOPIC_UNKNOWN', { topic, broker })
    return filled.map(({ queueId }) => ({ topic, queueId }))
  } finally {
    client.close()
  }
}
