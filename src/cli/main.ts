#!/usr/bin/env node
/**
 * The command line: `varve <verb>`. Verbs are one file each; here are only the streams of the process, its signals, and
 * how a failure becomes a line and an exit status.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { systemClock, VarveError } from '../base/index.ts'
import { doctorCommand } from './doctor.ts'
import { startCommand } from './start.ts'
import { storeDumpCommand } from './store-dump.ts'
import { storeInfoCommand } from './store-info.ts'
import { storeRebuildCommand } from './store-rebuild.ts'
import { storeRepairCommand } from './store-repair.ts'
import { storeVerifyCommand } from './store-verify.ts'
import { type CliWorld, EXIT, type ExitStatus, type Output, printJson } from './terminal.ts'

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
  const verbs = program({ ...world, exit: wanted => (status = wanted) })
  try {
    await verbs.parseAsync(process.argv)
    return status
  } catch (error) {
    // It has printed what it had to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    await report(error)
    return EXIT.failure
  }
}

function program(verbWorld: CliWorld): Command {
  const store = new Command('store').description('look into a store, check it, mend it; also stores of Apache RocketMQ')
  for (const make of [storeInfoCommand, storeVerifyCommand, storeDumpCommand, storeRepairCommand, storeRebuildCommand])
    store.addCommand(make(verbWorld))
  const varve = new Command('varve')
    .description('a durable message store in files of Apache RocketMQ')
    .version(packageVersion(), '-v, --version')
    .addCommand(startCommand(verbWorld))
    .addCommand(store)
    .addCommand(doctorCommand(verbWorld))
    .addHelpText('after', '\nExit status: 0 well, 1 failure, 2 usage, 3 damage found.')
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

function packageVersion(): string {
  // The package is two folders up from here as source, three when compiled.
  const url = new URL(import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
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
