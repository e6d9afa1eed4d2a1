/**
 * Apache RocketMQ's name server and broker as processes of their own, from Maven's artefacts (apache/pom.xml).
 *
 * They write nothing outside the directory that they are given: it is their home, and holds the store, the settings and
 * the logs. Both listen on loopback alone. Ready means that the port answers, and for a broker that it has registered.
 *
 * Not here: what is asked of them (scenarios/, bench/broker).
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startChild } from './children.mjs'

export const APACHE_VERSION = '5.5.0'
export const CLUSTER = 'DefaultCluster'

const project = fileURLToPath(new URL('apache/', import.meta.url))

/** A cold JVM on a busy machine takes its time. */
const READY_MS_MAX = 180_000
const LOOK_EVERY_MS = 50
/** A broker that was asked to stop flushes everything and waits for its threads. */
const STOP_MS_MAX = 60_000

/** Enough for tests, and quick to start. Benchmarks bring their own. */
const JVM_SMALL = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
/** What Apache's start scripts open for it on Java 17. */
const JVM_OPENS = ['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map(
  name => `--add-opens=java.base/${name}=ALL-UNNAMED`
)

/**
 * Fetches the servers, unless they are there.
 *
 * @param {(line: string) => void} [progress]
 */
export function buildApacheServers(progress = () => {}) {
  demandTool('java', 'Java 17 or later')
  if (existsSync(classpathFile()) && statSync(classpathFile()).mtimeMs > statSync(join(project, 'pom.xml')).mtimeMs)
    return
  demandTool('mvn', 'Maven 3')
  progress(`fetching the servers of Apache RocketMQ ${APACHE_VERSION}`)
  execFileSync('mvn', ['-q', '-B', '-ntp', `-Drocketmq.version=${APACHE_VERSION}`, 'package'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit']
  })
  writeFileSync(classpathFile(), `${APACHE_VERSION}\n`)
}

export function demandTool(command, name) {
  try {
    execFileSync(command, ['-version'], { stdio: 'ignore' })
  } catch (cause) {
    throw new Error(`${name} is needed, and \`${command}\` cannot be run`, { cause })
  }
}

/** The arguments that run a class of the servers, or of mqadmin, with `home` as its home. */
export function apacheJava({ home, main, jvmFlags = JVM_SMALL, properties = {} }) {
  const own = { 'user.home': home, 'java.io.tmpdir': home, 'rocketmq.home.dir': home, 'rocketmq.client.logRoot': home }
  return [
    ...jvmFlags,
    ...JVM_OPENS,
    ...Object.entries({ ...own, ...properties }).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    join(project, 'target', APACHE_VERSION, 'lib', '*'),
    main
  ]
}

/**
 * @param {{ home: string, port?: number, jvmFlags?: readonly string[], settings?: Readonly<Record<string, unknown>> }} options
 */
export async function startApacheNameServer({ home, port, jvmFlags, settings = {} }) {
  mkdirSync(home, { recursive: true })
  const listenPort = port ?? (await freePorts(1))
  const file = join(home, 'namesrv.conf')
  writeFileSync(file, propertiesText({ listenPort, bindAddress: '127.0.0.1', ...settings }))
  const java = apacheJava({ home, main: 'org.apache.rocketmq.namesrv.NamesrvStartup', jvmFlags })
  const server = startServer('name server', [...java, '-c', file], home)
  const address = `127.0.0.1:${listenPort}`
  await server.until(() => answers(listenPort))
  return { ...server, address }
}

/**
 * @param {{
 *   home: string, nameServer: string, name?: string, port?: number, advertisedHost?: string,
 *   jvmFlags?: readonly string[], settings?: Readonly<Record<string, unknown>>
 * }} options `settings` are keys of broker.conf. The broker takes `port` and the two below and the one above it.
 */
export async function startApacheBroker(options) {
  const { home, nameServer, name = 'broker-a', advertisedHost = '127.0.0.1', jvmFlags, settings = {} } = options
  mkdirSync(home, { recursive: true })
  const listenPort = options.port ?? (await freePorts(4)) + 2
  const file = join(home, 'broker.conf')
  const log = join(home, 'broker.out')
  writeFileSync(
    file,
    propertiesText({
      brokerClusterName: CLUSTER,
      brokerName: name,
      brokerId: 0,
      namesrvAddr: nameServer,
      listenPort,
      bindAddress: '127.0.0.1',
      brokerIP1: advertisedHost,
      brokerIP2: '127.0.0.1',
      storePathRootDir: join(home, 'store'),
      storePathCommitLog: join(home, 'store', 'commitlog'),
      enablePropertyFilter: true,
      ...settings
    })
  )
  const java = apacheJava({ home, main: 'org.apache.rocketmq.broker.BrokerStartup', jvmFlags })
  const server = startServer('broker', [...java, '-c', file], home)
  // It says so once it has registered and listens.
  await server.until(async () => readFileSync(log, 'utf8').includes('boot success') && answers(listenPort))
  return { ...server, name, address: `${advertisedHost}:${listenPort}`, port: listenPort }
}

function startServer(what, args, home) {
  const out = join(home, `${what.replace(' ', '-')}.out`)
  writeFileSync(out, '')
  const child = startChild('java', args, { cwd: home })
  child.stdin.end()
  const keep = text => writeFileSync(out, text, { flag: 'a' })
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  const said = () => readFileSync(out, 'utf8').slice(-2000)
  return {
    pid: child.pid,
    ended,
    /** Until it holds, for as long as the process lives. */
    async until(holds) {
      const lastMs = performance.now() + READY_MS_MAX
      while (!(await holds())) {
        if (isOver) throw new Error(`Apache's ${what} ended: ${said()}`)
        if (performance.now() > lastMs)
          throw new Error(`Apache's ${what} is not ready after ${READY_MS_MAX} ms: ${said()}`)
        await pause(LOOK_EVERY_MS)
      }
    },
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
      await ended
      clearTimeout(timer)
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    }
  }
}

function answers(port) {
  return new Promise(resolve => {
    const socket = createConnection({ host: '127.0.0.1', port })
    const end = isOpen => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/** The first of `count` neighbouring ports, all of which were free just now. */
export async function freePorts(count) {
  for (;;) {
    const first = await listenOnce(0)
    if (first === undefined || first + count > 65_535) continue
    let isFree = true
    for (let port = first + 1; isFree && port < first + count; port++) isFree = (await listenOnce(port)) !== undefined
    if (isFree) return first
  }
}

function listenOnce(port) {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1' }, () => {
      const { port: taken } = server.address()
      server.close(() => resolve(taken))
    })
  })
}

function propertiesText(settings) {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** Written last, so it tells a whole fetch from one that was cut short. */
function classpathFile() {
  return join(project, 'target', APACHE_VERSION, 'fetched')
}
