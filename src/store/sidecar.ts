/** Varve's own files below varve/, each in a module of its own. Apache RocketMQ passes the directory over. */
export { readDamage, writeDamage } from './damage.ts'
export {
  addDeletedTopic,
  copyDeletedTopics,
  type DeletedTopic,
  readDeletedTopics,
  trimDeletedTopics
} from './deleted-topics.ts'
export {
  encodeQueueTable,
  parseQueueTable,
  type QueueRow,
  type QueueTable,
  readQueueTable,
  saveQueueTable
} from './queue-table.ts'
export { hashSegment, readSeals, type Seal, Seals } from './seals.ts'
export { currentRun, ownerToken, readState, StateFile, type StoreState } from './state-file.ts'
