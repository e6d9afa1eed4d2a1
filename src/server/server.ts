/**
 * Server: one process with a broker, a name server and HTTP, from the first port to the last byte on disk.
 *
 * Starting: ports are looked at before the store is opened, because that may take minutes; HTTP listens meanwhile and says
 * how far it is; clients are accepted once everything behind the ports is there; then the broker registers.
 *
 * Stopping goes the other way: out of the routes, no new connections, answers to what waits, tables saved, store closed.
 *
 * Invariants:
 * - a client that could connect finds a broker that answers
 * - the store is closed last of all that writes, whatever failed before; a start that fails leaves nothing open
 *
 * Not here: the command line and signals (cli), how a store is opened (embedded.ts, which hands it in).
 */
import { type Clock, freshSeed, type Log, secondMs, seededRandom, VarveError } from '../base/index.ts'
import { Broker, type Configuration, checkStoreOptions, type Files, type Store } from '../broker/index.ts'
import { Registry } from '../metrics/index.ts'
import type { HostAddress } from '../model/index.ts'
import { type KvStorage, NameServer } from '../nameserver/index.ts'
import { listenRemoting, type RemotingListener } from '../protocol/index.ts'
import { registerBrokerMetrics } from './broker-metrics.ts'
import { DiskLag } from './disk-lag.ts'
import { type Endpoint, type Endpoints, endpointsOf, endpointText, isLoopback, storeHostOf } from './endpoints.ts'
import { type Recovering, ServerHealth } from './health.ts'
import { type HttpListener, listenHttp } from './http.ts'
import { httpRoutes, type VersionFacts } from './http-routes.ts'
import { kvFile } from './kv-file.ts'
import { ConsumerLag } from './lag-metrics.ts'
import { type BrokerListeners, type ClientPorts, checkFree, listening, portsForClients } from './listeners.ts'
import { registerProcessMetrics } from './process-metrics.ts'
import { parseNameServers, Registration } from './registration.ts'
import { BrokerEndpoint } from './remoting/broker-endpoint.ts'

/** An open store, and the files that it was opened on. */
export interface StoreHere {
  readonly store: Store
  readonly directory: string
  readonly files: Files
}

export interface ServerOptions {
  readonly configuration: Configuration
  /** Opens the store. Called once the ports are known to be free. */
  readonly openStore: (request: StoreRequest) => Promise<StoreHere>
  readonly version: VersionFacts
  readonly clock: Clock
  readonly log: Log
}

export interface StoreRequest {
  readonly storeHost: HostAddress
  /** Told from time to time while a long recovery goes on. */
  readonly onProgress: (progress: Recovering) => void
}

/** As HOST:PORT, with the ports that were really taken. */
export interface ServerAddresses {
  readonly broker: string
  readonly vip: string | undefined
  readonly nameServer: string | undefined
  readonly http: string | undefined
}

export interface RunningServer {
  readonly addresses: ServerAddresses
  readonly endpoints: Endpoints
  readonly health: ServerHealth
  readonly storeHere: StoreHere
  readonly registry: Registry
  /** Drains, saves and closes. Every further call returns the same promise. */
  close(): Promise<void>
}

const DRAIN_MS = 2 * secondMs
const DISK_LOOK_MS = secondMs
/** Beyond the longest interval between two flushes. */
const DISK_PATIENCE_MS = 5 * secondMs
const DRAIN_LOOK_MS = 5
const HTTP_DRAIN_MS = secondMs

/** @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE, ADDRESS_INSECURE, CONFIG_INVALID, and what opening a store throws */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const server = new Server(options)
  try {
    await server.start()
    return server
  } catch (error) {
    await server.close()
    throw error
  }
}

class Server implements RunningServer {
  readonly health = new ServerHealth()
  readonly registry = new Registry()
  readonly endpoints: Endpoints
  readonly #options: ServerOptions
  #http: HttpListener | undefined
  #storeHere: StoreHere | undefined
  #ports: ClientPorts | undefined
  #broker: Broker | undefined
  #lag: ConsumerLag | undefined
  #endpoint: BrokerEndpoint | undefined
  #nameServer: NameServer | undefined
  #nameServerListener: RemotingListener | undefined
  #listeners: BrokerListeners | undefined
  #registration: Registration | undefined
  #stopMetrics: () => void = () => {}
  #stopWatching: () => void = () => {}
  #diskWaitMs = 0
  #closing: Promise<void> | undefined

  constructor(options: ServerOptions) {
    const { configuration } = options
    configuration.demand(values => {
      if (!values.varveBroker) throw new VarveError('CONFIG_INVALID', { key: 'varveBroker', reason: 'this starts one' })
      endpointsOf(values)
      checkStoreOptions(values)
    })
    this.#options = options
    this.endpoints = endpointsOf(configuration.values)
  }

  get addresses(): ServerAddresses {
    const text = (listener: { address: { address: string; port: number } } | undefined) =>
      listener && endpointText({ host: listener.address.address, port: listener.address.port })
    return {
      broker: text(this.#listeners?.main) ?? endpointText(this.endpoints.broker),
      vip: text(this.#listeners?.vip),
      nameServer: text(this.#nameServerListener),
      http: text(this.#http)
    }
  }

  get storeHere(): StoreHere {
    if (this.#storeHere === undefined) throw new Error('the server has started')
    return this.#storeHere
  }

  async start(): Promise<void> {
    const { broker, nameServer, http } = this.endpoints
    this.#ports = await portsForClients(broker, this.#options.configuration.values.varveVip)
    if (nameServer !== undefined) await checkFree(nameServer)
    this.#stopMetrics = registerProcessMetrics(this.registry)
    if (http !== undefined) this.#http = await this.#listenHttp(http)
    await this.#openStore(this.#ports)
    await this.#serve(this.#ports)
    this.health.enter('serving')
    this.#options.log.info('ready', { ...this.addresses, directory: this.storeHere.directory })
    this.#hintAtAdvertised()
    if (this.#options.configuration.values.brokerRole === 'SLAVE')
      this.#options.log.warn('a slave takes nothing over from its master yet: it has what its store had')
  }

  /** As with a `broker.conf` of Apache's broker, which listens everywhere unless told otherwise. */
  #hintAtAdvertised(): void {
    const { advertised, broker } = this.endpoints
    if (advertised === undefined || isLoopback(advertised.host) || !isLoopback(broker.host)) return
    this.#options.log.warn('clients are told an address, but the broker listens on this machine alone', {
      told: advertised.host,
      listens: broker.host,
      hint: 'start with --listen HOST:PORT --insecure (bindAddress), unless something forwards that address to here'
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #openStore({ port }: ClientPorts): Promise<void> {
    const { openStore, log } = this.#options
    const here = await openStore({
      storeHost: storeHostOf(this.endpoints, port),
      onProgress: progress => this.health.recovering(progress)
    })
    this.#storeHere = here
    this.#tellRecovery(here.store)
    this.#watchDisk(here.store)
    void here.store.failed.then(error => {
      this.health.fail(error)
      log.error('store takes no more writes', { error })
    })
  }

  /** What the start found is in the log and the metrics; who asks whether the broker is ready should see it, too. */
  #tellRecovery(store: Store): void {
    const { quarantinedBytes, quarantinePath, damaged } = store.info().recovery
    if (quarantinedBytes > 0) {
      this.health.note(`${quarantinedBytes} bytes behind the last good record were moved into ${quarantinePath}`)
    }
    if (damaged.length > 0) this.health.note(`${damaged.length} damaged parts of the log are passed over`)
  }

  /** Not ready while no sync ends for longer than any interval explains; ready again once one has. */
  #watchDisk(store: Store): void {
    const { configuration, clock, log } = this.#options
    const { flushCommitLogThoroughInterval, syncFlushTimeout } = configuration.values
    const lag = new DiskLag(store, clock)
    const waitMsMax = Math.max(flushCommitLogThoroughInterval, syncFlushTimeout) + DISK_PATIENCE_MS
    let isSlow = false
    const watch = setInterval(() => {
      const waitMs = lag.sample()
      this.#diskWaitMs = waitMs
      this.health.diskWaits(waitMs > waitMsMax ? waitMs : undefined)
      if (waitMs > waitMsMax !== isSlow) log.warn(isSlow ? 'disk has caught up' : 'disk is slow', { waitMs })
      isSlow = waitMs > waitMsMax
    }, DISK_LOOK_MS).unref()
    this.#stopWatching = () => clearInterval(watch)
    this.registry.readGauge(
      { name: 'varve_store_flush_behind_seconds', help: 'How long bytes of the log have been waiting for the disk.' },
      () => this.#diskWaitMs / secondMs
    )
  }

  async #serve(ports: ClientPorts): Promise<void> {
    const { configuration, clock, log } = this.#options
    const broker = new Broker({
      ...this.storeHere,
      configuration,
      storeHost: storeHostOf(this.endpoints, ports.port),
      clock,
      random: seededRandom(freshSeed()),
      log
    })
    this.#broker = broker
    const endpoint = new BrokerEndpoint({ broker, clock, log, metrics: this.registry })
    this.#endpoint = endpoint
    registerBrokerMetrics(this.registry, { broker, listeners: () => this.#listeners })
    this.#lag = new ConsumerLag(broker, clock)
    this.#lag.register(this.registry)
    const { onRequest, onAnswer, onConnected } = endpoint
    this.#listeners = await ports.listen({ ...listening(this.#options), onRequest, onAnswer, onConnected })
    const { nameServer } = this.endpoints
    if (nameServer !== undefined) this.#nameServer = new NameServer({ clock, log, kvStorage: this.#kvStorage() })
    this.#register(broker, this.#listeners.main.address.port)
    if (nameServer !== undefined) await this.#listenForRoutes(nameServer, this.#nameServer!)
  }

  #kvStorage(): KvStorage {
    const { store, directory, files } = this.storeHere
    return kvFile({ directory, files, save: (path, content) => store.replaceFile(path, content) })
  }

  async #listenForRoutes(endpoint: Endpoint, nameServer: NameServer): Promise<void> {
    this.#nameServerListener = await listenRemoting({
      ...endpoint,
      ...listening(this.#options),
      onRequest: (request, connection) => nameServer.handle(request, connection)
    })
  }

  async #listenHttp(endpoint: Endpoint): Promise<HttpListener> {
    const { configuration, version, log } = this.#options
    const { brokerClusterName, brokerName } = configuration.values
    const labels = { cluster: brokerClusterName, node_type: 'broker', node_id: brokerName }
    const routes = httpRoutes({
      health: this.health,
      registry: this.registry,
      look: async () => this.#lag?.look(),
      labels: () => labels,
      version
    })
    const listener = await listenHttp({ ...endpoint, routes, log })
    // Said now, because recovery may take long and this is where it shows.
    const { address, port } = listener.address
    log.info('http listens', { address: endpointText({ host: address, port }) })
    return listener
  }

  /** Other name servers may be down or slow: clients of ours do not wait for them. */
  #register({ topics }: Broker, port: number): void {
    const { configuration, clock, log } = this.#options
    const { advertised, nameServersElsewhere } = this.endpoints
    const registration = new Registration({
      config: configuration.values,
      topics,
      port,
      haPort: configuration.values.haListenPort,
      ...(advertised && { advertised: { address: advertised.host, port: advertised.port ?? port } }),
      nameServers: nameServersElsewhere,
      ...(this.#nameServer && { here: this.#nameServer }),
      clock,
      log
    })
    this.#registration = registration
    configuration.onUpdated(changed => {
      // Part of what each topic is announced with.
      if (changed.includes('brokerPermission')) void registration.registerAll()
      if (changed.includes('namesrvAddr'))
        void registration.setNameServers(parseNameServers(configuration.values.namesrvAddr))
    })
    void registration.start()
  }

  async #close(): Promise<void> {
    const { clock, log } = this.#options
    const startedMs = clock.monotonicMs()
    // Whoever cannot start says why, and has nothing to say of stopping.
    const hasServed = this.health.phase === 'serving'
    this.health.enter('draining')
    if (hasServed) log.info('stopping')
    const failures: unknown[] = []
    const step = async (work: Promise<unknown> | undefined): Promise<void> => {
      await work?.catch((error: unknown) => failures.push(error))
    }
    await step(this.#registration?.close())
    if (this.#listeners === undefined) this.#ports?.release()
    this.#listeners?.main.stopAccepting()
    this.#listeners?.vip?.stopAccepting()
    this.#endpoint?.leave()
    await step(this.#answerWaiting())
    await step(this.#closeListeners())
    this.#nameServer?.close()
    await step(this.#broker?.close())
    await step(this.#storeHere?.store.close())
    this.#stopWatching()
    this.#stopMetrics()
    await step(this.#http?.close({ drainMs: HTTP_DRAIN_MS }))
    if (hasServed) log.info('stopped', { tookMs: Math.round(clock.monotonicMs() - startedMs) })
    if (failures.length > 0) throw failures[0]
  }

  /** Sends that wait for room or for the disk get their answer, if they can have one in time. */
  async #answerWaiting(): Promise<void> {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + DRAIN_MS
    while ((this.#broker?.sending.waitingCount ?? 0) > 0 && clock.monotonicMs() < untilMs) await pause(DRAIN_LOOK_MS)
    if (this.#storeHere === undefined || this.health.failure !== undefined) return
    await within(this.#storeHere.store.flushed(), Math.max(0, untilMs - clock.monotonicMs()))
  }

  async #closeListeners(): Promise<void> {
    const listeners = [this.#listeners?.main, this.#listeners?.vip, this.#nameServerListener]
    await Promise.all(listeners.map(listener => listener?.close({ drainMs: DRAIN_MS })))
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Waits for it, but not longer. */
async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
