/**
 * `node dist-bench/bench/broker/generator.js --broker HOST:PORT [--pid N] [--load send] [--seconds 10] …`: puts any
 * broker of the remoting protocol under load and prints what came of it. Flags are the settings of loads.ts; compile
 * with `npx tsc -p tsconfig.bench.json`. Without --pid the CPU is that of whoever listens on the port.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { type LoadSettings, runLoad } from './loads.ts'

const numbers = [
  'pid',
  'seconds',
  'warmUpSeconds',
  'count',
  'bodyBytes',
  'connections',
  'window',
  'batchCount',
  'topicCount',
  'queueCount',
  'rate',
  'backlog',
  'consumers',
  'lagMax'
] as const

const { values } = parseArgs({
  options: {
    broker: { type: 'string', default: '127.0.0.1:10911' },
    load: { type: 'string', default: 'send' },
    ...Object.fromEntries(numbers.map(name => [name, { type: 'string' } as const]))
  }
})
const given = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [name, name === 'broker' || name === 'load' ? value : Number(value)])
) as Partial<LoadSettings & { seconds: number; warmUpSeconds: number; count: number }> // Exactly the flags above.
const { seconds = 10, warmUpSeconds = 2, count, ...settings } = given
const broker = String(values.broker)

const result = await runLoad({
  load: 'send',
  pid: listenerPid(broker),
  ...settings,
  broker,
  extent: count === undefined ? { seconds, warmUpSeconds } : { count }
})
const { messages, cpuUs } = result
const rate = Math.round(messages / result.seconds).toLocaleString('en')
process.stdout.write(`${rate} messages/s, ${(cpuUs / messages).toFixed(2)} us of the broker's CPU each\n`)
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)

/** Who listens there, by `ss`; 0, which has no CPU, where that cannot be asked. */
function listenerPid(address: string): number {
  if (values['pid' as keyof typeof values] !== undefined) return 0 // It was given.
  const port = address.slice(address.lastIndexOf(':') + 1)
  const listed = execFileSync('ss', ['-Hltnp', `sport = :${port}`], { encoding: 'utf8' })
  return Number(/pid=(\d+)/.exec(listed)?.[1] ?? 0)
}
