/**
 * The clients under which the scenarios run: each a library of RocketMQ that others wrote, behind the commands of
 * client-process.mjs. What a library cannot do it does not list, and the scenarios that need it leave it out.
 */
import { ClientProcess } from './client-process.mjs'
import { buildGoClient, goClient } from './go-client.mjs'
import { buildJavaClient, JAVA_CLIENT_VERSIONS, javaClient } from './java-client.mjs'
import { buildNodeClient, nodeClient } from './node-client.mjs'

const JAVA_ABILITIES = [
  ...['sync', 'async', 'oneway', 'batch', 'queue', 'selector', 'view', 'key'],
  ...['push', 'tags', 'sql', 'orderly', 'gives back locks', 'broadcasting', 'local offsets', 'from'],
  ...['lite pull', 'pull', 'offsets'],
  ...['delays', 'transactions', 'deciding again', 'giving back', 'requests']
]
/** The older one knows nothing of taking back. */
const javaAbilities = version => [...JAVA_ABILITIES, ...(version.startsWith('5') ? ['recall'] : [])]
/** It never gives a queue's lock back: whom it leaves a queue to must wait until the lock ends by itself, after a minute. */
const GO_ABILITIES = [
  ...['sync', 'async', 'oneway', 'batch', 'queue', 'selector'],
  ...['push', 'tags', 'sql', 'orderly', 'broadcasting', 'local offsets', 'from'],
  ...['pull', 'delays', 'transactions', 'giving back']
]
const NODE_ABILITIES = ['sync', 'push', 'tags', 'broadcasting']

/** `start` gives a client process that keeps what its library writes in `home`. */
export const FLAVOURS = [
  ...JAVA_CLIENT_VERSIONS.map(version => ({
    name: `java ${version}`,
    abilities: new Set(javaAbilities(version)),
    build: progress => buildJavaClient(version, progress),
    start: ({ home, nameServer }) => new ClientProcess({ ...javaClient(version, { home }), defaults: { nameServer } })
  })),
  {
    name: 'go',
    abilities: new Set(GO_ABILITIES),
    build: buildGoClient,
    start: ({ home, nameServer }) => new ClientProcess({ ...goClient({ home }), defaults: { nameServer } })
  },
  {
    name: 'node',
    abilities: new Set(NODE_ABILITIES),
    build: buildNodeClient,
    start: ({ home, nameServer }) => new ClientProcess({ ...nodeClient({ home }), defaults: { nameServer } })
  }
]
