/** The engine: what embedders, brokers and the threads of a store need of it. */
export { readCheckpoint } from './checkpoint.ts'
export {
  type Condition,
  type DirectoryFacts,
  findLogEnd,
  hasSidecar,
  type KnownSizes,
  listQuarantine,
  listQueues,
  type QueueFacts,
  readDirectoryFacts,
  readQueueFacts
} from './directory-facts.ts'
export type { FirstFile, QueueSeed } from './dispatch.ts'
export { type DumpedRecord, dumpEntries, dumpIndex, dumpLog, dumpQueue } from './dump.ts'
export { lockHolder } from './file-lock.ts'
export type { Files, MapperKind, OpenFile } from './files.ts'
export { inlineThreads } from './inline-threads.ts'
export { type Job, type JobResults, performJob, type RunJob } from './jobs.ts'
export { dropPagesHere, nativeFacts, prefaultHere } from './mapping.ts'
export { WholeMessage } from './message-fields.ts'
export { openFilesLimit } from './open-files-limit.ts'
export { openStoreWith, type StoreSurroundings } from './open-store.ts'
export { checkOptions } from './options.ts'
export { Progress, type Role, SLOT } from './progress.ts'
export { openRealFiles } from './real-files.ts'
export { applyRepair, planRepair, type RepairStep, type RepairWorld, rebuildDerived } from './repair.ts'
export { BACKUP_SUFFIX, replaceWithBackup } from './replace-file.ts'
export { isShortage } from './shortage.ts'
export { readDamage, readQueueTable, readSeals } from './sidecar.ts'
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
} from './store-api.ts'
export { openAllocatorPart, openDispatcherPart, openFlusherPart, type Part, type PartWorld } from './store-parts.ts'
export type { QueueTableBytes, StoreThreads, ThreadEvents, ThreadSetup } from './threads.ts'
export { type VerifyOptions, type VerifyReport, verifyStore } from './verify.ts'
export { indexExtent } from './verify-index.ts'
export type { Damage, DamageKind } from './verify-report.ts'
