/**
 * `varve start`: the broker as a process of its own, until a signal stops it.
 *
 * What it says goes to stdout, once, when clients can connect; what happens then is logged to stderr. The threads of the
 * store are started before anything else, and come up while the rest is loaded: that is most of the time to the first message.
 *
 * Not here: where settings come from (config-layers.ts), what a broker consists of (server/server.ts).
 */
import { Command } from 'commander'
import { jsonLine, type Log, type LogLevel, openLog, readableLine, secondMs } from '../base/index.ts'
import type { Configuration } from '../broker/index.ts'
import { startBroker, warmEngine } from '../embedded.ts'
import type { RunningServer } from '../server/index.ts'
import { type ConfigFlags, MACHINE_ORIGIN, withConfigFlags } from './config-flags.ts'
import { LogStream } from './log-stream.ts'
import { recoveryNews } from './recovery-news.ts'
import { aborted, startedUnlessStopped } from './stopping.ts'
import { type CliWorld, EXIT, facts, printJson, printLines } from './terminal.ts'
import { packageVersion } from './version.ts'
import { durationInWords } from './words.ts'

/** Stopping cleanly takes at most so long. */
const STOP_MS_MAX = 10 * secondMs
const EXPOSED_NEWS_MS = 3600 * secondMs
const REPEATS = { countMax: 10, intervalMs: 10 * secondMs }
const STDERR = 2

interface StartOptions extends ConfigFlags {
  readonly json?: true
}

export function startCommand(world: CliWorld): Command {
  return withConfigFlags(new Command('start'))
    .description('starts a broker with its name server, for clients of RocketMQ')
    .option('--json', 'print the addresses as one line of JSON')
    .action((options: StartOptions) => start(world, options))
}

async function start(world: CliWorld, options: StartOptions): Promise<void> {
  const engine = warmEngine()
  const stream = new LogStream(STDERR, count =>
    lineOf(world)({ ...missing, atMs: world.clock.nowMs(), fields: { count } })
  )
  process.once('exit', () => stream.flushNow())
  const server = await startedUnlessStopped(startWith(world, options, engine, stream), world.interrupted)
  if (server === undefined) {
    void world.stderr.write('varve: stopped while it was starting; nothing is lost, the next start begins anew\n')
    process.exit(EXIT.ok)
  }
  await aborted(world.interrupted)
  await stopInTime(world, server)
  await stream.flushed()
}

/** A broker or a name server. */
interface Running {
  close(): Promise<void>
}

const missing = { level: 'warn', event: 'log lines left out, because nobody read them' } as const

async function startWith(
  world: CliWorld,
  options: StartOptions,
  engine: ReturnType<typeof warmEngine>,
  stream: LogStream
): Promise<Running> {
  try {
    const { readConfig } = await import('./config-layers.ts')
    const { configuration, strangeVariables } = readConfig(options)
    const { values } = configuration
    const log = openLog({
      sink: stream.write,
      level: values.varveLogLevel as LogLevel, // One of them, by its key.
      format: lineOf(world),
      clock: world.clock,
      repeats: REPEATS
    })
    for (const variable of strangeVariables) log.warn('environment variable is no setting', { variable })
    const withoutEffect = configuration.idleKeys().join(' ')
    if (withoutEffect !== '') log.info('settings without effect here', { keys: withoutEffect })
    const version = { name: 'varve', version: packageVersion(), node: process.version, mapper: engine.files.mapper }
    if (!values.varveBroker) {
      await engine.threads.kill()
      const { startNameServerAlone } = await import('./start-name-server.ts')
      const wanted = { configuration, files: engine.files, version, clock: world.clock, log }
      const how = { json: options.json === true, settings: settingsInWords }
      const alone = await startNameServerAlone(world, wanted, how)
      await tellExposed(alone.addresses, log)
      return alone
    }
    const recovery = recoveryNews(world, log)
    const server = await startBroker({ config: configuration, log, version, engine, onProgress: recovery.show })
    recovery.end()
    await announce(world, options, server, configuration)
    await tellExposed(server.addresses, log)
    return server
  } catch (error) {
    await engine.threads.kill()
    throw error
  }
}

const lineOf = ({ stderr }: CliWorld) => (stderr.isTerminal ? readableLine : jsonLine)

async function announce(
  world: CliWorld,
  { json }: StartOptions,
  server: RunningServer,
  configuration: Configuration
): Promise<void> {
  const { addresses, storeHere } = server
  const { recovery, mapper } = storeHere.store.info()
  if (json) {
    await printJson(world, { ...addresses, directory: storeHere.directory, pid: process.pid, recovery: recovery.kind })
    return
  }
  const { broker, vip, nameServer = 'off', http } = addresses
  await printLines(world, [
    ...facts([
      ['broker', vip === undefined ? broker : `${broker}, and ${vip} for VIP channels`],
      ['name server', nameServer],
      ['http', http === undefined ? 'off' : `http://${http}/metrics, /healthz, /readyz, /version`],
      ['store', `${storeHere.directory} (${recoveryInWords(recovery)}, mapped by ${mapper})`],
      ['flush', flushInWords(configuration)],
      ['settings', settingsInWords(configuration)]
    ]),
    '',
    `try:  ${lineToTry(server)}`,
    'Ctrl-C stops it cleanly. `varve config explain` shows every setting.'
  ])
}

function flushInWords({ values: { flushDiskType, flushIntervalCommitLog } }: Configuration): string {
  return flushDiskType === 'SYNC_FLUSH'
    ? 'sync: what is acknowledged is on disk'
    : `async: what is acknowledged is on disk within ${durationInWords(flushIntervalCommitLog)}`
}

/** Those that are no defaults, and where they come from. */
function settingsInWords(configuration: Configuration): string {
  const set = configuration
    .explainAll()
    .filter(({ origin, value, default: otherwise }) => origin !== MACHINE_ORIGIN && value !== otherwise)
  const origins = [...new Set(set.map(({ origin }) => origin))]
  const pairsOf = (wanted: string): string =>
    set.flatMap(({ name, value, origin }) => (origin === wanted ? [`${name}=${value}`] : [])).join(' ')
  return set.length === 0 ? 'defaults' : origins.map(origin => `${pairsOf(origin)} (${origin})`).join('; ')
}

function recoveryInWords({ kind, tookMs }: { kind: string; tookMs: number }): string {
  return kind === 'new'
    ? 'new'
    : `recovered in ${durationInWords(tookMs)}, ${kind === 'clean' ? 'closed cleanly' : `after a ${kind}`}`
}

function lineToTry({ addresses: { nameServer, http } }: RunningServer): string {
  if (nameServer !== undefined)
    return `mqadmin clusterList -n ${dialled(nameServer)}      or point any RocketMQ client at it`
  return http === undefined ? 'mqadmin clusterList' : `curl http://${http}/readyz`
}

/** All addresses are none to connect to. */
const dialled = (address: string): string => address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')

/** Who listens on more than loopback is told again and again. */
async function tellExposed(addresses: object, log: Log): Promise<void> {
  const { isLoopback } = await import('../server/index.ts')
  const hostOf = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  const exposed = Object.values(addresses).filter(address => address !== undefined && !isLoopback(hostOf(address)))
  if (exposed.length === 0) return
  const tell = (): void =>
    log.warn('anybody who reaches these addresses may do everything: there is no authentication yet', {
      addresses: exposed.join(', ')
    })
  tell()
  setInterval(tell, EXPOSED_NEWS_MS).unref()
}

/** @throws what went wrong while stopping */
async function stopInTime(world: CliWorld, server: Running): Promise<void> {
  const late = setTimeout(() => {
    void world.stderr.write(`varve: not stopped within ${durationInWords(STOP_MS_MAX)}; ending as a crash would\n`)
    process.exit(EXIT.failure)
  }, STOP_MS_MAX)
  await server.close()
  clearTimeout(late)
}
