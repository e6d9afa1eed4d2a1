/** The Java client of RocketMQ, built against one release or another (java/). */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { demandTool } from './apache-servers.mjs'

export const JAVA_CLIENT_VERSIONS = ['4.9.8', '5.5.0']

const project = fileURLToPath(new URL('java/', import.meta.url))
const JVM_FLAGS = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
/** The older client's JSON library looks into classes of the JDK. */
const JVM_OPENS = ['java.lang', 'java.util'].map(name => `--add-opens=java.base/${name}=ALL-UNNAMED`)

/** Compiles unless that has been done since the sources last changed. */
export function buildJavaClient(version, progress = () => {}) {
  demandTool('java', 'Java 17 or later')
  const jar = join(project, 'target', version, 'lib', 'clients.jar')
  if (existsSync(jar) && statSync(jar).mtimeMs > newestSourceMs()) return
  demandTool('mvn', 'Maven 3')
  progress(`building the Java client ${version}`)
  execFileSync('mvn', ['-q', '-B', '-ntp', `-Drocketmq.version=${version}`, 'package'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit']
  })
}

/** How to start a class of it; what the client writes of its own goes to `home`. */
export function javaClient(version, { home, main = 'clients.Main', args = [], properties = {} }) {
  const own = {
    'user.home': home,
    'java.io.tmpdir': home,
    'rocketmq.client.logRoot': home,
    'rocketmq.client.localOffsetStoreDir': home
  }
  return {
    command: 'java',
    args: [
      ...JVM_FLAGS,
      ...JVM_OPENS,
      ...Object.entries({ ...own, ...properties }).map(([name, value]) => `-D${name}=${value}`),
      '-cp',
      join(project, 'target', version, 'lib', '*'),
      main,
      ...args
    ],
    cwd: home
  }
}

function newestSourceMs() {
  const sources = readdirSync(join(project, 'src'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  return Math.max(...[join(project, 'pom.xml'), ...sources].map(path => statSync(path).mtimeMs))
}
