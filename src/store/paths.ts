/** Names of files and directories below the root of a store: those of Apache RocketMQ, and Varve's own under varve/. */
import { join } from 'node:path'
import { segmentName } from '../layout/index.ts'

export const commitLogDirectory = (root: string): string => join(root, 'commitlog')
export const consumeQueueDirectory = (root: string): string => join(root, 'consumequeue')
export const topicDirectory = (root: string, topic: string): string => join(root, 'consumequeue', topic)
export const queueDirectory = (root: string, topic: string, queueId: number): string =>
  join(root, 'consumequeue', topic, String(queueId))
export const indexDirectory = (root: string): string => join(root, 'index')
export const checkpointPath = (root: string): string => join(root, 'checkpoint')
export const abortPath = (root: string): string => join(root, 'abort')
export const lockPath = (root: string): string => join(root, 'lock')

export const segmentPath = (root: string, base: number): string => join(root, 'commitlog', segmentName(base))

/** Apache RocketMQ ignores this directory. */
export const sidecarDirectory = (root: string): string => join(root, 'varve')
export const nextAbortPath = (root: string): string => join(root, 'varve', 'next-abort')
export const nextSegmentPath = (root: string): string => join(root, 'varve', 'next-segment')
export const quarantineDirectory = (root: string): string => join(root, 'varve', 'quarantine')
