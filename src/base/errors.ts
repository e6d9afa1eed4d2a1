/**
 * Every failure of the world (disk, peer, caller) that Varve reports, declared once as data.
 *
 * `docs/errors.md` is printed from this table. A code never changes its meaning; wire statuses follow from it.
 * Failures of Varve itself are assertions (assert.ts) and do not stand here.
 */

interface CatalogueEntry {
  readonly says: string
  /** What the reader can do about it. */
  readonly hint: string
  /** Whether the same call may succeed later without anybody changing the request. */
  readonly retryable: boolean
}

export const catalogue = {
  // Callers' mistakes.
  MESSAGE_BODY_TOO_LARGE: {
    says: 'the body is larger than the store accepts',
    hint: 'send less, compress it, or raise `messageBytesMax`',
    retryable: false
  },
  MESSAGE_PROPERTIES_TOO_LARGE: {
    says: 'the encoded properties exceed 32,767 bytes, the limit of the format',
    hint: 'move large values into the body',
    retryable: false
  },
  MESSAGE_PROPERTY_INVALID: {
    says: 'a property name or value cannot be stored: it is empty, or has one of the separators U+0001 and U+0002',
    hint: 'encode the value, for example as base64, or leave the property out',
    retryable: false
  },
  MESSAGE_INVALID: {
    says: 'a field of the message is outside the range that the format can hold',
    hint: 'the details name the field and its limits',
    retryable: false
  },
  TOPIC_NAME_INVALID: {
    says: 'the topic name is empty, too long, or has a character other than letters, digits, `_`, `-`, `%` and `|`',
    hint: 'rename the topic; names become directory names and must stay portable',
    retryable: false
  },
  QUEUE_ID_INVALID: {
    says: 'the queue number is not an integer from 0 to the limit of the store',
    hint: 'queue numbers start at 0; raise `queueIdMax` if you really need that many queues in a topic',
    retryable: false
  },
  BATCH_INVALID: {
    says: 'the batch is empty, mixes topics or queues, or does not fit into one segment',
    hint: 'split the batch; all messages of one batch go to one queue and one segment',
    retryable: false
  },
  OPTION_INVALID: {
    says: 'an option of the store is outside its range',
    hint: 'the details name the option and its range',
    retryable: false
  },

  // What a broker refuses.
  TOPIC_UNKNOWN: {
    says: 'the topic does not exist here',
    hint: 'create it, or turn on `autoCreateTopicEnable`; see the details for the name',
    retryable: false
  },
  TOPIC_RESERVED: {
    says: 'the topic belongs to the broker itself',
    hint: 'use another topic; messages come into this one by the broker alone',
    retryable: false
  },
  ATTRIBUTE_INVALID: {
    says: 'a topic or group cannot have this attribute, or not with this value, or not any more',
    hint: 'write `+name=value` to set and `-name` to remove; `queue.type` and `cleanup.policy` are set at creation only',
    retryable: false
  },
  GROUP_UNKNOWN: {
    says: 'the group does not exist here',
    hint: 'create it, or turn on `autoCreateSubscriptionGroup`; see the details for the name',
    retryable: false
  },
  GROUP_NAME_INVALID: {
    says: 'the group name is empty, too long, or has a character other than letters, digits, `_`, `-`, `%` and `|`',
    hint: 'rename the group',
    retryable: false
  },
  PERMISSION_DENIED: {
    says: 'this is not permitted',
    hint: 'the details name what is missing: a permission of the broker, the topic or the group',
    retryable: false
  },
  OFFSET_UNKNOWN: {
    says: 'the group has no offset for this queue',
    hint: 'the client decides where to start (its consume-from-where policy)',
    retryable: false
  },
  CONSUMER_OFFLINE: {
    says: 'no consumer of the group is connected',
    hint: 'start a consumer of the group first',
    retryable: true
  },
  CONFIG_UNREADABLE: {
    says: 'the file with the configuration cannot be read',
    hint: 'check the path that `-c` was given',
    retryable: false
  },
  CONFIG_INVALID: {
    says: 'the configuration has an unknown key or a value that its key cannot have',
    hint: 'the details name the key; `varve config explain` lists all of them',
    retryable: false
  },
  MESSAGE_ILLEGAL: {
    says: 'the message breaks a rule of its topic or of its kind',
    hint: 'the details name the rule; sending it again unchanged fails again',
    retryable: false
  },
  BROKER_BUSY: {
    says: 'the broker takes no more for the moment',
    hint: 'send again after a pause, or to another broker',
    retryable: true
  },
  BROKER_UNAVAILABLE: {
    says: 'the broker cannot store messages: it is stopping, its disk is full, or an earlier failure ended writing',
    hint: 'send to another broker; the details and the cause say what is wrong with this one',
    retryable: true
  },
  BROKER_NOT_ACCEPTING: {
    says: 'the broker accepts no messages before the time that it is set to',
    hint: 'see `startAcceptSendRequestTimeStamp`',
    retryable: true
  },
  REQUEST_UNSUPPORTED: {
    says: 'this broker does not do what is asked',
    hint: 'the details name what it cannot do',
    retryable: false
  },
  BROKER_IS_SLAVE: {
    says: 'this broker is a slave, and only its master does what is asked',
    hint: 'ask the master, which the route names',
    retryable: false
  },
  TIMERS_DISABLED: {
    says: 'timed messages are turned off on this broker',
    hint: 'turn `timerWheelEnable` on, or use a delay level',
    retryable: false
  },
  RECALL_HANDLE_INVALID: {
    says: 'the handle takes no message back',
    hint: 'the details say why; it must come from the answer to a timed send to this topic and broker, before its time',
    retryable: false
  },
  SUBSCRIPTION_UNKNOWN: {
    says: 'the broker does not know what the group subscribes to',
    hint: 'the next heartbeat of the consumer tells it; consumers ask again by themselves',
    retryable: true
  },
  SUBSCRIPTION_STALE: {
    says: 'the broker knows an older subscription of the group than the consumer has',
    hint: 'the next heartbeat of the consumer brings the newer one; consumers ask again by themselves',
    retryable: true
  },
  FILTER_DATA_MISSING: {
    says: 'the broker does not know the filter of the group',
    hint: 'the next heartbeat of the consumer brings it; consumers ask again by themselves',
    retryable: true
  },
  FILTER_DATA_STALE: {
    says: 'the broker knows an older filter of the group than the consumer has',
    hint: 'the next heartbeat of the consumer brings the newer one; consumers ask again by themselves',
    retryable: true
  },
  FILTER_DISABLED: {
    says: 'this broker filters by tags alone',
    hint: 'turn on `enablePropertyFilter`',
    retryable: false
  },
  CONFIG_FILE_DAMAGED: {
    says: 'a file of `config/` cannot be read, and neither can its backup',
    hint: 'restore one of the two, or move both away to start without what they held',
    retryable: false
  },

  // Questions of clients and tools.
  GROUP_EMPTY: {
    says: 'nobody is connected in this group',
    hint: 'start a client of the group; it is known from its first heartbeat on',
    retryable: true
  },
  CONSUMER_UNREACHABLE: {
    says: 'the client that the request is meant for cannot be asked here',
    hint: 'the details name it; it must be connected to this broker, and new enough to answer',
    retryable: true
  },
  TRANSACTION_UNKNOWN: {
    says: 'there is no half message of this producer group at this place',
    hint: 'the details say what does not match; retention may have taken it, or the place is of another broker',
    retryable: false
  },
  TRANSACTION_DECIDED: {
    says: 'the transaction has been decided otherwise, or given up',
    hint: 'what was decided first holds; see the topic TRANS_CHECK_MAX_TIME_TOPIC for what was given up',
    retryable: false
  },
  TRANSACTION_TOO_LATE: {
    says: 'the time is over for which the producer has kept the broker from asking',
    hint: 'wait to be asked, and answer then; or set CHECK_IMMUNITY_TIME_IN_SECONDS higher',
    retryable: false
  },
  DEAD_LETTER_HOMELESS: {
    says: 'the dead letter does not say to which topic it was sent',
    hint: 'name one with `--topic`',
    retryable: false
  },
  REPLY_UNDELIVERED: {
    says: 'the reply did not reach the producer that asked for it',
    hint: 'that producer must still be connected to the broker that took its request; a copy is in the topic for replies',
    retryable: false
  },
  MESSAGE_NOT_FOUND: {
    says: 'no message has this key in this topic and time',
    hint: 'check topic, key and times; what retention has deleted is not found any more',
    retryable: false
  },
  STATISTICS_UNKNOWN: {
    says: 'nothing was counted under this name and key',
    hint: 'the key is a topic, `topic@group`, or the name of the cluster; counting begins with the first message',
    retryable: true
  },

  // Filters.
  FILTER_INVALID: {
    says: "parse the consumer's subscription failed: the filter is neither tags nor SQL92 as RocketMQ knows them",
    hint: 'the details tell the position, counted from 1, and what is wrong there',
    retryable: false
  },

  // The state of the store.
  STORE_CLOSED: {
    says: 'the store is closed',
    hint: 'open it again with `openStore`',
    retryable: false
  },
  STORE_LOCKED: {
    says: 'another process has this store open',
    hint: 'stop the process that the details name, or open another directory',
    retryable: true
  },
  STORE_POISONED: {
    says: 'an earlier failure ended writing to this store; what was acknowledged before it is safe',
    hint: 'see the cause; close the store, mend the disk and open it again',
    retryable: false
  },
  STORE_BUSY: {
    says: 'too much written data is not yet on disk or not yet in the queues',
    hint: 'await `store.writable()` and append again; the disk is slower than the writer',
    retryable: true
  },
  STORE_DISK_FULL: {
    says: 'the disk has no room for what must be written',
    hint: 'free space; the store goes on by itself as soon as there is room',
    retryable: true
  },
  STORE_READ_ONLY: {
    says: 'the directory cannot be written to',
    hint: 'check owner, permissions and mount options of the directory',
    retryable: false
  },
  STORE_NOT_FOUND: {
    says: 'there is no store in this directory',
    hint: 'check the path; `openStore` creates a missing directory only with `create: true`, its default',
    retryable: false
  },
  STORE_FORMAT_NEWER: {
    says: 'the directory was written by a newer version of Varve',
    hint: 'upgrade Varve; nothing was changed',
    retryable: false
  },
  STORE_LAYOUT_FOREIGN: {
    says: 'the directory holds files that do not fit this store: foreign names, or sizes that differ from the settings',
    hint: 'open it with the segment and queue file sizes it was made with; nothing was changed',
    retryable: false
  },
  STORE_FILESYSTEM_UNSUITABLE: {
    says: 'the file system cannot allocate blocks ahead, so a full disk could end the process',
    hint: 'use a local file system (ext4, xfs), or `mapper: "plain"`, which does not map files',
    retryable: false
  },
  STORE_MAP_LIMIT: {
    says: 'the system refuses another memory mapping',
    hint: 'raise vm.max_map_count or the memory limit of the process',
    retryable: true
  },
  STORE_FILE_LIMIT: {
    says: 'the process or the system has too many open files',
    hint: 'raise `ulimit -n`',
    retryable: true
  },
  STORE_FILE_CHANGED: {
    says: 'a file of the store was shortened, replaced or removed by somebody else',
    hint: 'stop whatever touches the directory, then open the store again; `varve store verify` tells what is left',
    retryable: false
  },
  STORE_SYNC_FAILED: {
    says: 'the disk failed to store data that was to be made durable; the system may have dropped it',
    hint: 'treat the disk as failing; a second sync would report success without having written anything',
    retryable: false
  },
  STORE_IO_FAILED: {
    says: 'the system refused an operation on a file of the store',
    hint: 'the details name the operation, the file and the error of the system',
    retryable: false
  },
  STORE_THREAD_DIED: {
    says: 'a worker thread of the store ended unexpectedly',
    hint: 'open the store again; everything acknowledged is kept, and the cause tells what ended the thread',
    retryable: false
  },
  STORE_TOO_MANY_QUEUES: {
    says: 'the store holds as many queues as it was opened for',
    hint: 'raise `queueCountMax`, or delete topics that are not used',
    retryable: false
  },

  // Reading.
  RECORD_DAMAGED: {
    says: 'the stored record does not match its checksum or its place',
    hint: 'its neighbours are readable; `varve store verify` lists all damage, a replica or producer may have the message',
    retryable: false
  },
  RECORD_NOT_FOUND: {
    says: 'there is no record at this position',
    hint: 'the message was removed by retention, or the id belongs to another store',
    retryable: false
  },
  MESSAGE_ID_INVALID: {
    says: 'this is not an offset message id: 32 or 56 hexadecimal digits',
    hint: 'an id that the producer made (UNIQ_KEY) is looked up by key instead',
    retryable: false
  },
  JSON_INVALID: {
    says: 'a file or the body of a request is not JSON, not even in the way in which Apache RocketMQ writes it',
    hint: 'the details tell where; the previous version of a file of `config/` lies beside it as `.bak`',
    retryable: false
  },
  NATIVE_UNAVAILABLE: {
    says: 'the native bindings are not built for this platform',
    hint: 'run `npm run setup` with a C++ compiler, or use `mapper: "plain"`; `varve doctor` tells more',
    retryable: false
  },

  // Peers and the network.
  PARAMETER_INVALID: {
    says: 'a field of the request is missing or does not have the form that it must have',
    hint: 'the details name the field and what was expected',
    retryable: false
  },
  PORT_TAKEN: {
    says: 'another process listens on this port',
    hint: 'stop the process that the details name, or choose another port',
    retryable: true
  },
  ADDRESS_UNUSABLE: {
    says: 'the system does not let this process listen on this address',
    hint: 'use an address of this machine and a port above 1023, or give the process the right to lower ones',
    retryable: false
  },
  ADDRESS_INSECURE: {
    says: 'other machines could reach this address, and clients are not authenticated yet',
    hint: 'listen on 127.0.0.1, or say `--insecure` if only those can reach it who may do everything',
    retryable: false
  },
  PEER_UNREACHABLE: {
    says: 'no connection to the peer could be made',
    hint: 'check address and port, whether the peer runs, and what stands between',
    retryable: true
  },
  PEER_CLOSED: {
    says: 'the connection to the peer is closed; a request that was under way may have been carried out or not',
    hint: 'connect again and repeat what may be repeated',
    retryable: true
  },
  PEER_TIMEOUT: {
    says: 'the peer did not answer in time; it may still carry the request out',
    hint: 'repeat what may be repeated; look at the load of the peer',
    retryable: true
  },
  PEER_REFUSED: {
    says: 'the peer answered with an error',
    hint: 'the details have its code and its own words',
    retryable: false
  },
  NAME_SERVER_REFUSED: {
    says: 'the name server did not take the registration of this broker',
    hint: 'the details have its own words; the broker goes on and tries again',
    retryable: true
  },
  LOAD_FAILED: {
    says: 'the load was not carried out as it was meant to be, so there are no figures',
    hint: 'the details say what was expected and what came',
    retryable: false
  },
  REPORT_UNREADABLE: {
    says: 'the file holds no reports of benchmarks',
    hint: 'compare what `varve bench … --json` prints, or report.json and the baselines of `npm run bench`',
    retryable: false
  }
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue

export type ErrorDetails = Record<string, string | number>

/** What Varve throws when the world, not Varve, is at fault. The code picks the text, so the two cannot disagree. */
export class VarveError extends Error {
  override readonly name = 'VarveError'
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable: boolean
  readonly details: ErrorDetails

  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: ErrorOptions) {
    const { says, hint, retryable } = catalogue[code]
    super(`${code}: ${says} ${JSON.stringify(details)}`, options)
    this.code = code
    this.hint = hint
    this.retryable = retryable
    this.details = details
  }
}

/** Error codes of the system that have a code of their own here; everything else is STORE_IO_FAILED. */
const codeOfErrno: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORE_DISK_FULL',
  EDQUOT: 'STORE_DISK_FULL',
  EACCES: 'STORE_READ_ONLY',
  EPERM: 'STORE_READ_ONLY',
  EROFS: 'STORE_READ_ONLY',
  EMFILE: 'STORE_FILE_LIMIT',
  ENFILE: 'STORE_FILE_LIMIT'
}

/** The same, where it depends on what was tried. Nobody opens a file without having seen it, or made it, before. */
const codeOfCall: Readonly<Record<string, ErrorCode>> = {
  'map ENOMEM': 'STORE_MAP_LIMIT',
  'open ENOENT': 'STORE_FILE_CHANGED'
}

/** Turns an error of the system (with `code`, as Node and the native bindings throw it) into ours, cause kept. */
export function systemError(cause: unknown, operation: string, path: string): VarveError {
  if (cause instanceof VarveError) return cause
  const errno = errnoOf(cause)
  const code = codeOfCall[`${operation} ${errno}`] ?? codeOfErrno[errno] ?? 'STORE_IO_FAILED'
  return new VarveError(code, { operation, path, errno }, { cause })
}

export function errnoOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : 'unknown'
}

/** A `VarveError` as plain data, to cross a thread: the code and details survive, the class is made anew. */
export interface ErrorReport {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly cause: string
}

export function report(error: unknown): ErrorReport {
  if (error instanceof VarveError) {
    return { code: error.code, details: error.details, cause: error.cause === undefined ? '' : String(error.cause) }
  }
  return {
    code: 'STORE_THREAD_DIED',
    details: {},
    cause: error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

export function errorFromReport({ code, details, cause }: ErrorReport): VarveError {
  return new VarveError(code, details, cause === '' ? undefined : { cause: new Error(cause) })
}
