/** The public names, one by one; each is documented where it is declared. */
export { type Clock, type ErrorCode, VarveError } from './base/index.ts'
export { type BrokerOptions, openStore, startBroker } from './embedded.ts'
export type { Appended, HostAddress, MessageInput, StoredMessage } from './model/index.ts'
export type { RunningServer, ServerAddresses, ServerHealth, ServerPhase } from './server/index.ts'
export type {
  DamagedRange,
  KeyQuery,
  QueueName,
  ReadRequest,
  ReadResult,
  RecordFilter,
  RecordViews,
  RecoveryProgress,
  RecoveryReport,
  RetentionOptions,
  SegmentFacts,
  Selection,
  SelectionStatus,
  SelectRequest,
  SnapshotReport,
  Store,
  StoreInfo,
  StoreOptions
} from './store/index.ts'
