/**
 * A name server in a process of its own, with which brokers of other processes register (`varve start --listen off`).
 *
 * It has no store. Its directory holds what tools keep on a name server (`config/kvConfig.json`), and a lock, so that neither a
 * broker nor a second name server shares it.
 */
import { join } from 'node:path'
import { type Clock, type Log, secondMs, VarveError } from '../base/index.ts'
import { type Configuration, checkStoreOptions, type Files, saveHere } from '../broker/index.ts'
import { Registry } from '../metrics/index.ts'
import { NameServer } from '../nameserver/index.ts'
import { listenRemoting, type RemotingListener } from '../protocol/index.ts'
import { endpointsOf, endpointText } from './endpoints.ts'
import { ServerHealth } from './health.ts'
import { type HttpListener, listenHttp } from './http.ts'
import { httpRoutes, type VersionFacts } from './http-routes.ts'
import { kvFile } from './kv-file.ts'
import { checkFree, listening } from './listeners.ts'
import { registerProcessMetrics } from './process-metrics.ts'

const DRAIN_MS = 2 * secondMs
const HTTP_DRAIN_MS = secondMs

export interface NameServerOptions {
  readonly configuration: Configuration
  readonly files: Files
  readonly version: VersionFacts
  readonly clock: Clock
  readonly log: Log
}

export interface NameServerAlone {
  /** As HOST:PORT, with the ports that were really taken. */
  readonly addresses: { readonly nameServer: string; readonly http: string | undefined }
  readonly directory: string
  close(): Promise<void>
}

/** @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE, ADDRESS_INSECURE, CONFIG_INVALID, STORE_LOCKED, CONFIG_FILE_DAMAGED */
export async function startNameServer(options: NameServerOptions): Promise<NameServerAlone> {
  const { configuration, files, clock, log } = options
  configuration.demand(checkStoreOptions)
  const { nameServer: endpoint, http: httpEndpoint } = endpointsOf(configuration.values)
  if (endpoint === undefined)
    throw new VarveError('CONFIG_INVALID', { key: 'varveNameServer', reason: 'without a broker it cannot be off' })
  await checkFree(endpoint)
  const directory = configuration.values.storePathRootDir
  files.makeDirectory(join(directory, 'config'))
  const undo: (() => unknown)[] = []
  try {
    const lock = files.lock(join(directory, 'lock'))
    undo.push(() => lock.release())
    const health = new ServerHealth()
    const registry = new Registry()
    undo.push(registerProcessMetrics(registry))
    const nameServer = new NameServer({ clock, log, kvStorage: kvFile({ directory, files, save: saveHere(files) }) })
    undo.push(() => nameServer.close())
    registerNameServerMetrics(registry, nameServer)
    const http =
      httpEndpoint && (await listenHttp({ ...httpEndpoint, routes: routesOf(options, health, registry), log }))
    undo.push(() => http?.close({ drainMs: HTTP_DRAIN_MS }))
    const listener = await listenRemoting({
      ...endpoint,
      ...listening(options),
      onRequest: (request, connection) => nameServer.handle(request, connection)
    })
    undo.push(() => listener.close({ drainMs: DRAIN_MS }))
    health.enter('serving')
    const addresses = { nameServer: addressOf(listener), http: http && addressOf(http) }
    log.info('ready', { ...addresses, directory })
    return { addresses, directory, close: () => closed(undo, log) }
  } catch (error) {
    await undone(undo)
    throw error
  }
}

function routesOf({ configuration, version }: NameServerOptions, health: ServerHealth, registry: Registry) {
  const { brokerClusterName, brokerName } = configuration.values
  const labels = { cluster: brokerClusterName, node_type: 'nameserver', node_id: brokerName }
  return httpRoutes({ health, registry, look: async () => undefined, labels: () => labels, version })
}

function registerNameServerMetrics(registry: Registry, nameServer: NameServer): void {
  registry.readGauge(
    { name: 'varve_name_server_brokers', help: 'Brokers that are registered.' },
    () => nameServer.brokerCount
  )
  registry.readGauge({ name: 'varve_name_server_topics', help: 'Topics with a route.' }, () => nameServer.topicCount)
}

const addressOf = ({ address: { address, port } }: RemotingListener | HttpListener): string =>
  endpointText({ host: address, port })

async function closed(undo: (() => unknown)[], log: Log): Promise<void> {
  log.info('stopping')
  await undone(undo)
  log.info('stopped')
}

/** The latest first, all of them, whatever fails. */
async function undone(undo: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of undo.splice(0).reverse()) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
