/** The name server, which tells clients where topics are. */
export type { KvStorage } from './kv-config.ts'
export { addressText } from './local-addresses.ts'
export {
  type BrokerHere,
  NAME_SERVER_REQUESTS,
  NameServer,
  type NameServerOptions,
  type RegistrationHere
} from './name-server.ts'
export type { DataVersion as BrokerDataVersion, TopicQueues } from './route-types.ts'
export { NAME_SERVER_DEFAULTS, type NameServerSettings } from './settings.ts'
