/**
 * A pull, and its answer: what a consumer asks of one queue and what it is told.
 *
 * Not here: the codes of the wire (server).
 */
import type { VarveError } from '../base/index.ts'
import type { Selection, SelectionStatus } from '../store/index.ts'
import type { ClientLink } from './client-link.ts'

export const PULL_FLAG = {
  /** `commitOffset` counts. */
  commits: 1,
  /** The answer may be put off while there is nothing. */
  maySuspend: 2,
  /** The filter comes with the request. */
  hasSubscription: 4,
  classFilter: 8,
  lite: 16
} as const

/** Owned and reused by the caller; read only during the call that takes it. */
export interface PullRequest {
  group: string
  topic: string
  queueId: number
  offset: number
  countMax: number
  /** Bits of `PULL_FLAG`. */
  sysFlag: number
  commitOffset: number
  suspendTimeoutMs: number
  /** With `hasSubscription`; undefined or empty for all messages. */
  expression: string | undefined
  /** Undefined for TAG. */
  expressionType: string | undefined
  subscriptionVersion: number
  link: ClientLink
}

/** A copy to be kept. Field by field: on Node 20 each spread makes a shape of its own, which is slow to read ever after. */
export function keptPull(request: PullRequest): PullRequest {
  return {
    group: request.group,
    topic: request.topic,
    queueId: request.queueId,
    offset: request.offset,
    countMax: request.countMax,
    sysFlag: request.sysFlag,
    commitOffset: request.commitOffset,
    suspendTimeoutMs: request.suspendTimeoutMs,
    expression: request.expression,
    expressionType: request.expressionType,
    subscriptionVersion: request.subscriptionVersion,
    link: request.link
  }
}

/** RocketMQ's names; each is the remark of its answer. */
export type PullStatus =
  | 'FOUND'
  | 'NO_MATCHED_MESSAGE'
  | 'MESSAGE_WAS_REMOVING'
  | 'NO_MATCHED_LOGIC_QUEUE'
  | 'NO_MESSAGE_IN_QUEUE'
  | 'OFFSET_FOUND_NULL'
  | 'OFFSET_OVERFLOW_ONE'
  | 'OFFSET_OVERFLOW_BADLY'
  | 'OFFSET_TOO_SMALL'
  | 'OFFSET_RESET'

/** `found` SUCCESS, `nothing` PULL_NOT_FOUND, `again` PULL_RETRY_IMMEDIATELY, `moved` PULL_OFFSET_MOVED. */
export type PullVerdict = 'found' | 'nothing' | 'again' | 'moved'

export interface PullFound {
  readonly status: PullStatus
  readonly verdict: PullVerdict
  readonly nextOffset: number
  readonly minOffset: number
  readonly maxOffset: number
  readonly suggestedBrokerId: number
  readonly topicSysFlag: number
  readonly groupSysFlag: number
  /** The records, when there are some: copy them before the call returns. */
  readonly selection: Selection | undefined
}

/** One of the two, exactly once, at once or later. What is handed over is valid during the call. */
export interface PullAnswer {
  found(found: PullFound): void
  refused(error: VarveError): void
}

const STATUS_OF: Readonly<Record<SelectionStatus, PullStatus>> = {
  found: 'FOUND',
  'none-accepted': 'NO_MATCHED_MESSAGE',
  'records-gone': 'MESSAGE_WAS_REMOVING',
  'entries-gone': 'OFFSET_FOUND_NULL',
  'queue-unknown': 'NO_MATCHED_LOGIC_QUEUE',
  'queue-empty': 'NO_MESSAGE_IN_QUEUE',
  'below-min': 'OFFSET_TOO_SMALL',
  'at-end': 'OFFSET_OVERFLOW_ONE',
  'beyond-end': 'OFFSET_OVERFLOW_BADLY'
}

export const pullStatusOf = (status: SelectionStatus): PullStatus => STATUS_OF[status]

/** What the client does on a status; in an empty queue that depends on where it wanted to read. */
export function verdictOf(status: PullStatus, offset: number): PullVerdict {
  switch (status) {
    case 'FOUND':
      return 'found'
    case 'NO_MATCHED_MESSAGE':
    case 'MESSAGE_WAS_REMOVING':
      return 'again'
    case 'NO_MATCHED_LOGIC_QUEUE':
    case 'NO_MESSAGE_IN_QUEUE':
      return offset === 0 ? 'nothing' : 'moved'
    case 'OFFSET_FOUND_NULL':
    case 'OFFSET_OVERFLOW_ONE':
      return 'nothing'
    case 'OFFSET_OVERFLOW_BADLY':
    case 'OFFSET_TOO_SMALL':
    case 'OFFSET_RESET':
      return 'moved'
  }
}
