/**
 * Where a broker's settings come from on the command line: this machine, `broker.conf`, what administrators changed at
 * run time, environment, flags. Later ones win.
 *
 * A key of `broker.conf` has one name in the environment: `listenPort` is `VARVE_LISTEN_PORT`, and Varve's own
 * `varveHttp` is `VARVE_HTTP`. `NAMESRV_ADDR` is RocketMQ's own name for `namesrvAddr`.
 *
 * Not here: what keys mean and which values they take (broker/config-keys.ts).
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoOf, systemClock, VarveError } from '../base/index.ts'
import {
  BROKER_KEYS,
  type ConfigLayer,
  type Configuration,
  checkStoreOptions,
  configUpdatesPath,
  parseBrokerConf,
  resolveConfig
} from '../broker/index.ts'
import { brokerNameHere, endpointsOf, parseEndpoint } from '../server/index.ts'
import { type ConfigFlags, MACHINE_ORIGIN, STORE_DEFAULT } from './config-flags.ts'

const OWN_PREFIX = 'varve'
const LISTEN_PORT = BROKER_KEYS.listenPort.default

export interface ConfigSources {
  readonly configuration: Configuration
  /** `VARVE_…` variables that are no key: a cluster may have put them there, so they are told and passed over. */
  readonly strangeVariables: readonly string[]
}

/** @throws VarveError CONFIG_INVALID, CONFIG_UNREADABLE */
export function readConfig(flags: ConfigFlags, environment: NodeJS.ProcessEnv = process.env): ConfigSources {
  const variables = environmentLayer(environment)
  const below = [machineLayer(), ...(flags.config === undefined ? [] : [fileLayer(flags.config)])]
  const above = [
    { origin: 'environment', properties: variables.properties },
    { origin: 'command line', properties: flagProperties(flags) }
  ]
  // Where the updates lie is itself a setting.
  const { storePathRootDir } = resolveConfig([...below, ...above], systemClock).values
  const layers = [...below, ...updatesLayer(storePathRootDir), ...above]
  return { configuration: resolveConfig(layers, systemClock), strangeVariables: variables.strange }
}

/** What a file alone makes of a broker on this machine. @throws VarveError CONFIG_INVALID, CONFIG_UNREADABLE */
export function fileConfig(path: string): Configuration {
  const configuration = resolveConfig([machineLayer(), fileLayer(path)], systemClock)
  configuration.demand(checkStoreOptions)
  configuration.demand(values => endpointsOf({ ...values, varveInsecure: true })) // That is for the command line to say.
  return configuration
}

/** What administrators changed while the broker ran. */
function updatesLayer(directory: string): ConfigLayer[] {
  const path = configUpdatesPath(directory)
  return existsSync(path) ? [{ ...fileLayer(path), origin: `mqadmin, kept in ${path}` }] : []
}

/** What no table of defaults can know. The store is never in the home directory by itself. */
function machineLayer(): ConfigLayer {
  return {
    origin: MACHINE_ORIGIN,
    properties: { brokerName: brokerNameHere(), storePathRootDir: resolve(STORE_DEFAULT) }
  }
}

/** @throws VarveError CONFIG_UNREADABLE, CONFIG_INVALID */
export function fileLayer(path: string): ConfigLayer {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new VarveError('CONFIG_UNREADABLE', { path: resolve(path), errno: errnoOf(cause) }, { cause })
  }
  return { origin: path, properties: parseBrokerConf(text) }
}

function environmentLayer(environment: NodeJS.ProcessEnv): { properties: Record<string, string>; strange: string[] } {
  const keys = new Map(Object.keys(BROKER_KEYS).map(key => [variableOf(key), key]))
  const properties: Record<string, string> = {}
  const strange: string[] = []
  if (environment.NAMESRV_ADDR) properties.namesrvAddr = environment.NAMESRV_ADDR
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('VARVE_') || value === undefined || NO_KEYS.has(variable)) continue
    const key = keys.get(variable)
    if (key === undefined) strange.push(variable)
    else properties[key] = value
  }
  return { properties, strange: strange.sort() }
}

/** Variables of ours that are no keys: one names a binary of the native bindings. */
const NO_KEYS: ReadonlySet<string> = new Set(['VARVE_NATIVE_BINDINGS'])

/** `listenPort` → `VARVE_LISTEN_PORT`, `brokerIP1` → `VARVE_BROKER_IP1`, `varveHttp` → `VARVE_HTTP`. */
export function variableOf(key: string): string {
  const own = key.startsWith(OWN_PREFIX) ? key.slice(OWN_PREFIX.length) : key
  const words = own.replace(/([a-z\d])([A-Z])/g, '$1_$2').replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
  return `VARVE_${words.toUpperCase()}`
}

function flagProperties(flags: ConfigFlags): Record<string, string> {
  const { store, listen, nameserver, http, flush, advertise, insecure, set = [] } = flags
  return {
    // Of a file that names the log of another store.
    ...(store !== undefined && { storePathCommitLog: '' }),
    ...Object.fromEntries(set.map(pairOf)),
    ...(store !== undefined && { storePathRootDir: resolve(store) }),
    ...(listen !== undefined && listenProperties(listen)),
    ...(nameserver !== undefined && { varveNameServer: nameserver }),
    ...(http !== undefined && { varveHttp: http }),
    ...(flush !== undefined && { flushDiskType: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH' }),
    ...(advertise !== undefined && advertiseProperties(advertise)),
    ...(insecure && { varveInsecure: 'true' })
  }
}

function listenProperties(text: string): Record<string, string> {
  if (text.toLowerCase() === 'off') return { varveBroker: 'false' }
  const { host, port } = parseEndpoint('--listen', text, LISTEN_PORT)
  return { bindAddress: host, listenPort: String(port) }
}

function advertiseProperties(text: string): Record<string, string> {
  if (!/:\d+$/.test(text)) return { brokerIP1: text }
  const { host, port } = parseEndpoint('--advertise', text, LISTEN_PORT)
  return { brokerIP1: host, varveAdvertisedPort: String(port) }
}

function pairOf(pair: string): [key: string, value: string] {
  const at = pair.indexOf('=')
  return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
}
