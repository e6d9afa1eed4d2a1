/**
 * The clients under which the scenarios run: each a library of RocketMQ that others wrote, behind the commands of
 * client-process.mjs. What a library cannot do it does not list, and the scenarios that need it leave it out.
 */
import { ClientProcess } from './client-process.mjs'
import { buildJavaClient, JAVA_CLIENT_VERSIONS, javaClient } from './java-client.mjs'

const JAVA_ABILITIES = [
  ...['sync', 'async', 'oneway', 'batch', 'queue', 'selector', 'view', 'key', 'properties'],
  ...['push', 'tags', 'sql', 'orderly', 'broadcasting', 'from', 'instance', 'file of offsets'],
  ...['lite pull', 'pull', 'offsets']
]

const java = JAVA_CLIENT_VERSIONS.map(version => ({
  name: `java ${version}`,
  abilities: new Set(JAVA_ABILITIES),
  build: progress => buildJavaClient(version, progress),
  start: ({ home, nameServer }) => new ClientProcess({ ...javaClient(version, { home }), defaults: { nameServer } })
}))

export const FLAVOURS = [...java]
