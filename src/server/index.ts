/** Listeners in front of a broker: remoting, its name server, HTTP. */
export {
  brokerNameHere,
  type Endpoint,
  type Endpoints,
  endpointsOf,
  endpointText,
  isLoopback,
  parseEndpoint
} from './endpoints.ts'
export type { Recovering, ServerHealth, ServerPhase } from './health.ts'
export type { VersionFacts } from './http-routes.ts'
export { type NameServerAlone, type NameServerOptions, startNameServer } from './name-server-alone.ts'
export { type RunningServer, type ServerAddresses, type ServerOptions, type StoreHere, startServer } from './server.ts'
