/**
 * The command line: `varve <verb>`. Verbs are one file each; here are only the streams of the process, its signals, and
 * how a failure becomes a line and an exit status.
 */
import { Command, CommanderError } from 'commander'
import { systemClock, VarveError } from '../base/index.ts'
import { type CliWorld, EXIT, type ExitStatus, type Output, printJson } from './terminal.ts'
import { packageVersion } from './version.ts'

/** In the order of the help. Only the verb that is asked for is loaded: a broker is to be there at once. */
const verbs: Readonly<Record<string, () => Promise<(world: CliWorld) => Command>>> = {
  start: async () => (await import('./start.ts')).startCommand,
  config: async () => (await import('./config.ts')).configCommand,
  dlq: async () => (await import('./dlq/dlq.ts')).dlqCommand,
  store: async () => (await import('./store.ts')).storeCommand,
  bench: async () => (await import('./bench/bench.ts')).benchCommand,
  demo: async () => (await import('./demo.ts')).demoCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand
}

const interruption = new AbortController()
const world: CliWorld = {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  clock: systemClock,
  interrupted: interruption.signal,
  exit(status) {
    process.exitCode = status
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Who asks twice does not want to wait until everything is closed.
    if (interruption.signal.aborted) process.exit(EXIT.failure)
    interruption.abort()
  })
}
// Whoever read the output has seen enough.
process.stdout.on('error', error => process.exit('code' in error && error.code === 'EPIPE' ? EXIT.ok : EXIT.failure))

process.exitCode = await run()

async function run(): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.ok
  try {
    const varve = await program({ ...world, exit: wanted => (status = wanted) }, process.argv[2])
    await varve.parseAsync(process.argv)
    return status
  } catch (error) {
    // It has printed what it had to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    await report(error)
    return EXIT.failure
  }
}

async function program(verbWorld: CliWorld, verb: string | undefined): Promise<Command> {
  const varve = new Command('varve')
    .description('a durable message store and broker, in files and words of Apache RocketMQ')
    .version(packageVersion(), '-v, --version')
    .addHelpText('after', '\nExit status: 0 well, 1 failure, 2 usage, 3 damage found.')
  const isKnown = verb !== undefined && Object.hasOwn(verbs, verb)
  // Help lists all of them, and a mistyped one is told the nearest.
  for (const name of isKnown ? [verb] : Object.keys(verbs)) varve.addCommand((await verbs[name]!())(verbWorld))
  for (const command of commandsBelow(varve))
    command.exitOverride().showSuggestionAfterError().showHelpAfterError(false)
  return varve
}

function commandsBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsBelow)]
}

async function report(error: unknown): Promise<void> {
  const isJson = process.argv.includes('--json')
  if (!(error instanceof VarveError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (isJson) await printJson(world, { error: { code: 'INTERNAL', message: text } })
    await world.stderr.write(`varve: ${text}\n`)
    return
  }
  const { code, message, details, hint } = error
  if (isJson) await printJson(world, { error: { code, message, details, hint } })
  else await world.stderr.write(`varve: ${message}; ${hint}\n`)
}

function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    isTerminal: stream.isTTY === true,
    write: text =>
      new Promise(resolve => {
        if (stream.write(text)) resolve()
        else stream.once('drain', resolve)
      })
  }
}
