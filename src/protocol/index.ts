/** Wire protocols: bytes to values and back, and the connections that carry them. */
export { connectRemoting } from './remoting/caller.ts'
export { REQUEST, RESPONSE, requestName, responseName } from './remoting/codes.ts'
export type {
  BodyRoom,
  CallOptions,
  FieldValues,
  HeaderWriter,
  RemotingAnswer,
  RemotingConnection,
  RemotingHeader,
  RemotingRequest
} from './remoting/connection-api.ts'
export { type FieldName, field } from './remoting/field.ts'
export { parseWire, printWire } from './remoting/json-body.ts'
export { REMOTING_LIMITS, type RemotingLimits } from './remoting/limits.ts'
export { listenError, listenRemoting, reservePort } from './remoting/listener.ts'
export type {
  AnswerObserver,
  ConnectOptions,
  ListenOptions,
  RemotingCounters,
  RemotingListener,
  RequestHandler,
  ReservedPort
} from './remoting/listener-api.ts'
export { portHolderPid } from './remoting/port-holder.ts'
export { readSend, type SendFields } from './remoting/send-fields.ts'
export {
  OWN_VERSION,
  VERSION_CONSUMER_STATUS,
  VERSION_GO_AWAY_ABOVE,
  VERSION_MAX_RECONSUME_TIMES,
  VERSION_RESET_OFFSET,
  VERSION_STANDARD_JSON,
  VERSION_UNSIGNED_UNIQUE_KEY_QUERY
} from './remoting/versions.ts'
