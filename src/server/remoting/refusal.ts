/**
 * Refusal: the response code and the remark that a failure is answered with.
 *
 * The code of a `VarveError` decides, in the one table here. Anything else that is thrown is a defect of ours: the client
 * is told SYSTEM_ERROR, and the log the whole of it.
 */
import { type ErrorCode, VarveError } from '../../base/index.ts'
import { RESPONSE } from '../../protocol/index.ts'

export interface Refusal {
  readonly responseCode: number
  readonly remark: string
  /** Nobody but us can mend it. */
  readonly isOurs: boolean
}

/** Codes that are not listed are SYSTEM_ERROR: nothing that a client could tell apart. */
const RESPONSE_OF: { readonly [Code in ErrorCode]?: number } = {
  MESSAGE_BODY_TOO_LARGE: RESPONSE.MESSAGE_ILLEGAL,
  MESSAGE_PROPERTIES_TOO_LARGE: RESPONSE.MESSAGE_ILLEGAL,
  MESSAGE_PROPERTY_INVALID: RESPONSE.MESSAGE_ILLEGAL,
  MESSAGE_INVALID: RESPONSE.MESSAGE_ILLEGAL,
  MESSAGE_ILLEGAL: RESPONSE.MESSAGE_ILLEGAL,
  BATCH_INVALID: RESPONSE.MESSAGE_ILLEGAL,
  TOPIC_NAME_INVALID: RESPONSE.INVALID_PARAMETER,
  TOPIC_UNKNOWN: RESPONSE.TOPIC_NOT_EXIST,
  TOPIC_RESERVED: RESPONSE.NO_PERMISSION,
  QUEUE_ID_INVALID: RESPONSE.INVALID_PARAMETER,
  GROUP_UNKNOWN: RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST,
  GROUP_NAME_INVALID: RESPONSE.INVALID_PARAMETER,
  PERMISSION_DENIED: RESPONSE.NO_PERMISSION,
  PARAMETER_INVALID: RESPONSE.INVALID_PARAMETER,
  OFFSET_UNKNOWN: RESPONSE.QUERY_NOT_FOUND,
  MESSAGE_NOT_FOUND: RESPONSE.QUERY_NOT_FOUND,
  CONSUMER_OFFLINE: RESPONSE.CONSUMER_NOT_ONLINE,
  FILTER_INVALID: RESPONSE.SUBSCRIPTION_PARSE_FAILED,
  FILTER_DATA_MISSING: RESPONSE.FILTER_DATA_NOT_EXIST,
  FILTER_DATA_STALE: RESPONSE.FILTER_DATA_NOT_LATEST,
  BROKER_IS_SLAVE: RESPONSE.SLAVE_NOT_AVAILABLE,
  RECALL_HANDLE_INVALID: RESPONSE.ILLEGAL_OPERATION,
  SUBSCRIPTION_UNKNOWN: RESPONSE.SUBSCRIPTION_NOT_EXIST,
  SUBSCRIPTION_STALE: RESPONSE.SUBSCRIPTION_NOT_LATEST,
  TRANSACTION_TOO_LATE: RESPONSE.ILLEGAL_OPERATION,
  REQUEST_UNSUPPORTED: RESPONSE.REQUEST_CODE_NOT_SUPPORTED,
  BROKER_BUSY: RESPONSE.SYSTEM_BUSY,
  BROKER_UNAVAILABLE: RESPONSE.SERVICE_NOT_AVAILABLE,
  PEER_TIMEOUT: RESPONSE.CONSUME_MSG_TIMEOUT,
  STORE_BUSY: RESPONSE.SYSTEM_BUSY,
  STORE_DISK_FULL: RESPONSE.SERVICE_NOT_AVAILABLE,
  STORE_FILE_LIMIT: RESPONSE.SERVICE_NOT_AVAILABLE,
  STORE_MAP_LIMIT: RESPONSE.SERVICE_NOT_AVAILABLE,
  STORE_POISONED: RESPONSE.SERVICE_NOT_AVAILABLE,
  STORE_CLOSED: RESPONSE.SERVICE_NOT_AVAILABLE,
  STORE_READ_ONLY: RESPONSE.SERVICE_NOT_AVAILABLE
}

export function refusalOf(error: unknown): Refusal {
  if (error instanceof VarveError) {
    return { responseCode: RESPONSE_OF[error.code] ?? RESPONSE.SYSTEM_ERROR, remark: remarkOf(error), isOurs: false }
  }
  return { responseCode: RESPONSE.SYSTEM_ERROR, remark: 'the broker failed; its log says how', isOurs: true }
}

/**
 * What the catalogue says and the details: `TOPIC_UNKNOWN: the topic does not exist here {"topic":"T"}`. Words in brackets by
 * which people find flow control in the logs of their producers come first, as RocketMQ has them.
 */
function remarkOf({ message, details: { reason } }: VarveError): string {
  return typeof reason === 'string' && reason.startsWith('[') ? `${reason}; ${message}` : message
}
