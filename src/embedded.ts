/** The engine or a whole broker in your own process: real files, worker threads, or everything inline. */
import { type Clock, type Log, silentLog, systemClock } from './base/index.ts'
import type { Configuration } from './broker/index.ts'
import type { RunningServer, VersionFacts } from './server/index.ts'
import {
  type Files,
  inlineThreads,
  openRealFiles,
  openStoreWith,
  type Store,
  type StoreOptions,
  type StoreThreads
} from './store/index.ts'
import { piscinaThreads } from './workers/index.ts'

/**
 * Opens the store in `options.directory`, recovering it first if need be. One process at a time may have it open.
 * @throws VarveError STORE_LOCKED, STORE_LAYOUT_FOREIGN, STORE_READ_ONLY, STORE_DISK_FULL, OPTION_INVALID, and others of docs/errors.md
 */
export function openStore(options: StoreOptions): Promise<Store> {
  const { threads = 'workers', mapper = 'auto', clock = systemClock } = options
  const files = options.files ?? openRealFiles({ mapper })
  return openStoreWith(options, {
    files,
    threads:
      threads === 'none' || options.files !== undefined ? inlineThreads(files, clock) : piscinaThreads(files.mapper)
  })
}

export interface BrokerOptions {
  /** Keys of RocketMQ's `broker.conf` and Varve's own, as text; or all of them, resolved. */
  readonly config: Readonly<Record<string, string>> | Configuration
  /** Default: silent. */
  readonly log?: Log
  readonly clock?: Clock
  readonly onProgress?: StoreOptions['onProgress']
  /** Shown at `/version`. */
  readonly version?: VersionFacts
  /** Threads that are coming up already; they end with the broker, or with the attempt to start it. */
  readonly engine?: Engine
}

/** What a store runs on, before there is one. */
export interface Engine {
  readonly files: Files
  readonly threads: StoreThreads
}

/** Brings the threads of a store up, so that they are there once the settings of a broker are known. */
export function warmEngine(): Engine {
  const files = openRealFiles()
  const threads = piscinaThreads(files.mapper)
  threads.warm()
  return { files, threads }
}

/**
 * Starts a broker with its name server and HTTP in this process: what `varve start` does, without signals and words.
 * `storePathRootDir` must be set.
 * @throws VarveError CONFIG_INVALID, ADDRESS_INSECURE, PORT_TAKEN, ADDRESS_UNUSABLE, and what `openStore` throws
 */
export async function startBroker(options: BrokerOptions): Promise<RunningServer> {
  const { log = silentLog, clock = systemClock, onProgress, version = {}, engine = warmEngine() } = options
  try {
    // Whoever only opens a store does not load a broker; and the threads come up meanwhile.
    const { Configuration, resolveConfig, storeOptionsOf } = await import('./broker/index.ts')
    const { brokerNameHere, startServer } = await import('./server/index.ts')
    const { config } = options
    const configuration =
      config instanceof Configuration
        ? config
        : resolveConfig(
            [
              { origin: 'this machine', properties: { brokerName: brokerNameHere() } },
              { origin: 'startBroker', properties: config }
            ],
            clock
          )
    const directory = configuration.values.storePathRootDir
    return await startServer({
      configuration,
      version,
      clock,
      log,
      async openStore({ storeHost, onProgress: toServer }) {
        const progress: StoreOptions['onProgress'] = done => {
          toServer(done)
          onProgress?.(done)
        }
        const wanted = { ...storeOptionsOf(configuration.values), directory, storeHost, clock, onProgress: progress }
        return { store: await openStoreWith(wanted, engine), directory, files: engine.files }
      }
    })
  } catch (error) {
    await engine.threads.kill()
    throw error
  }
}
