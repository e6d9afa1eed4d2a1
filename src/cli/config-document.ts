/** docs/configuration.md, printed from the table of keys, so that neither can go its own way. */
import { BROKER_KEYS, type ConfigKey } from '../broker/index.ts'
import { variableOf } from './config-layers.ts'

const HEAD = `# Configuration

Printed from \`src/broker/config-keys.ts\` by \`npm run docs\`.

A broker takes the keys of Apache RocketMQ's \`broker.conf\` under their own names, and a few of its own, which begin with
\`varve\`. Values come from these places; what stands further down wins:

1. the defaults below; \`brokerName\` is the name of the host, \`storePathRootDir\` is \`varve-data\` in the working directory
2. the file that \`varve start -c FILE\` names, in the form of Java properties
3. what administrators changed while the broker ran (\`mqadmin updateBrokerConfig\`), kept in \`config/broker-updates.properties\`
4. the environment: each key has a variable; \`NAMESRV_ADDR\` is \`namesrvAddr\`
5. flags: \`--set KEY=VALUE\` for any key, and short ones for the frequent ones

| flag | sets |
|---|---|
| \`--store DIR\` | \`storePathRootDir\` |
| \`--listen HOST:PORT\\|off\` | \`bindAddress\`, \`listenPort\`; \`varveBroker\` |
| \`--nameserver HOST:PORT\\|off\` | \`varveNameServer\` |
| \`--http HOST:PORT\\|off\` | \`varveHttp\` |
| \`--flush sync\\|async\` | \`flushDiskType\` |
| \`--advertise HOST[:PORT]\` | \`brokerIP1\`, \`varveAdvertisedPort\` |
| \`--insecure\` | \`varveInsecure\` |

An unknown key is an error that names the nearest one. A key that Apache RocketMQ knows and that has no effect here (sizes of
thread pools, other storage engines) is accepted with a note; \`varve config check -c FILE\` lists those of a file. Unknown
variables are noted and passed over, because clusters put some of their own into the environment.
\`varve config explain\` shows every value with its origin, \`varve config explain KEY\` all about one.

*live* keys may be changed while the broker runs; the others are read when it starts.

| key | default | when | meaning | variable |
|---|---|---|---|---|
`

export function configDocument(): string {
  return (
    HEAD +
    Object.entries(BROKER_KEYS)
      .map(([name, key]) => row(name, key))
      .join('')
  )
}

function row(name: string, { default: value, effect, meaning, oneOf }: ConfigKey): string {
  const among = oneOf === undefined ? '' : ` (${oneOf.map(one => `\`${one}\``).join(', ')})`
  const shown = value === '' ? '' : `\`${escaped(String(value))}\``
  return `| \`${name}\` | ${shown} | ${effect} | ${escaped(meaning)}${among} | \`${variableOf(name)}\` |\n`
}

const escaped = (text: string): string => text.replaceAll('|', '\\|')
