/**
 * Apache RocketMQ's own store, from Node: builds the Maven project in java/ and runs its verbs in a JVM.
 *
 * Nothing of it touches the home directory: what Apache's code writes beside the store goes to a directory that is
 * removed with the process.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine, linesOf } from './child.mjs'

export const APACHE_VERSIONS = ['5.5.0', '5.3.3']

/** What `Runtime.halt` leaves as exit code, and the signal of a kill from outside. */
const CRASHES = [137, 'SIGKILL']

const project = fileURLToPath(new URL('java/', import.meta.url))

/** Reflection that Apache's start scripts open for it on Java 17. */
const JVM_OPENS = ['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map(
  name => `--add-opens=java.base/${name}=ALL-UNNAMED`
)

/** Enough for tests, and quick to start. */
const JVM_SMALL = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/**
 * Compiles the project against one release and fetches what it needs, unless that has been done since the sources last
 * changed.
 *
 * @param {string} version
 * @param {(line: string) => void} [progress]
 */
export function buildApache(version, progress = () => {}) {
  demandTool('java', ['-version'], 'Java 17 or later')
  const jar = join(project, 'target', version, 'lib', 'apache-store.jar')
  if (existsSync(jar) && statSync(jar).mtimeMs > newestSourceMs()) return
  demandTool('mvn', ['-version'], 'Maven 3')
  progress(`building the Java side against Apache RocketMQ ${version}`)
  execFileSync('mvn', ['-q', '-B', '-ntp', `-Drocketmq.version=${version}`, 'package'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit']
  })
}

/**
 * @param {string} version
 * @param {'write' | 'list' | 'load' | 'open'} verb
 * @param {Readonly<Record<string, string | number | boolean | undefined>>} flags
 * @param {{ crashes?: boolean, killAfterLines?: number, jvmFlags?: readonly string[] }} [options]
 * @returns {Promise<any[]>} the lines that it printed
 */
export async function runApache(version, verb, flags, { crashes = false, killAfterLines, jvmFlags = JVM_SMALL } = {}) {
  const home = mkdtempSync(join(tmpdir(), 'apache-store-'))
  const properties = ['user.home', 'java.io.tmpdir', 'rocketmq.client.logRoot'].map(name => `-D${name}=${home}`)
  const classpath = join(project, 'target', version, 'lib', '*')
  const log = `-Dapachestore.log=${process.env.APACHE_STORE_LOG ?? 'OFF'}`
  try {
    return await linesOf(
      'java',
      [
        ...jvmFlags,
        ...JVM_OPENS,
        ...properties,
        log,
        '-cp',
        classpath,
        'apachestore.Main',
        verb,
        ...commandLine(flags)
      ],
      { mayEnd: crashes ? CRASHES : [0], ...(killAfterLines === undefined ? {} : { killAfterLines }) }
    )
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function demandTool(command, args, name) {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
  } catch (cause) {
    throw new Error(`${name} is needed to run Apache RocketMQ's own store, and \`${command}\` cannot be run`, { cause })
  }
}

function newestSourceMs() {
  const sources = readdirSync(join(project, 'src'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  return Math.max(...[join(project, 'pom.xml'), ...sources].map(path => statSync(path).mtimeMs))
}
