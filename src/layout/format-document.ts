/** The text of docs/format.md, printed from the layouts, so that what is documented is what is written. */
import { BATCH_ITEM_HEAD, BATCH_ITEM_REST } from './batch.ts'
import { CHECKPOINT, CHECKPOINT_FILE_BYTES } from './checkpoint.ts'
import { BATCH_QUEUE_ENTRY, CONSUME_QUEUE_ENTRY, CONSUME_QUEUE_EXT_UNIT } from './consume-queue-entry.ts'
import { BINARY_HEADER, FRAME_HEAD } from './frame.ts'
import { INDEX_HEADER, INDEX_ITEM, INDEX_SLOT_BYTES } from './index-file.ts'
import type { Layout } from './layout.ts'
import { BLANK_RESERVE_BYTES, RECORD_HEAD, RECORD_MIDDLE, RECORD_REST, SYS_FLAG, TOPIC_BYTES_MAX_V1 } from './record.ts'
import { RECORD_CHECKSUM_BYTES, RECORD_CHECKSUM_PROPERTY } from './record-checksum.ts'
import {
  QUEUE_TABLE,
  QUEUE_TABLE_MAGIC,
  QUEUE_TABLE_ROW,
  QUEUE_TABLE_TOPIC,
  SEAL,
  SIDECAR_HEAD,
  STATE,
  STATE_MAGIC,
  STATE_SLOT_BYTES
} from './sidecar.ts'
import {
  TIMER_CHECK,
  TIMER_CHECK_FILE_BYTES,
  TIMER_LOG_BLANK,
  TIMER_LOG_UNIT,
  TIMER_LOG_UNIT_ROOM_BYTES,
  TIMER_MARK,
  TIMER_SLOT_COUNT,
  TIMER_WHEEL_BYTES,
  TIMER_WHEEL_SLOT
} from './timer.ts'

export function formatDocument(): string {
  return `${[
    '# The files of a store, byte for byte',
    `Printed from \`src/layout\`; do not edit. The format is that of Apache RocketMQ's default store: either program opens
what the other wrote. Numbers are big-endian, two's complement; times are milliseconds since 1970; text is UTF-8. A
_physical offset_ is a byte position in the whole commit log, a _queue offset_ the ordinal of a message in its queue.`,
    files(),
    record(),
    properties(),
    consumeQueue(),
    keyIndex(),
    section('checkpoint', `One page of ${bytes(CHECKPOINT_FILE_BYTES)}; the rest is zero.`, tableOf(CHECKPOINT)),
    timer(),
    batch(),
    sidecar(),
    frame()
  ].join('\n\n')}\n`
}

function files(): string {
  return section(
    'Files',
    `Files of a queue of files (commit log, consume queues, timer log) all have the same size and are named by the position
of their first byte in the queue, as 20 decimal digits. They have their full size from the start, zeros where nothing
has been written.`,
    table(
      ['path', 'holds'],
      [
        '| `commitlog/<20 digits>` | records of all topics, in the order of their arrival |',
        '| `consumequeue/<topic>/<queue>/<20 digits>` | where the messages of one queue lie in the commit log |',
        '| `index/<yyyyMMddHHmmssSSS>` | which records have a key |',
        '| `checkpoint` | up to when each kind of file was on disk |',
        '| `timerwheel`, `timerlog/<20 digits>`, `config/timercheck` | messages that are due at a time |',
        '| `abort` | exists while the store is open, and after a crash |',
        '| `lock` | locked by the process that has the store open |',
        '| `varve/` | what only Varve writes; Apache RocketMQ passes it over |'
      ]
    )
  )
}

function record(): string {
  return section(
    'Record of the commit log',
    `A record never crosses the end of a segment. Addresses take 8 bytes (IPv4 and port) or 20 (IPv6 and port), as the bits
of \`sysFlag\` say; _b_ and _s_ are the sizes of born host and store host.`,
    table(FIELDS, [
      ...RECORD_HEAD.rows(),
      `| ${RECORD_HEAD.sizeBytes} | b bytes | \`bornHost\` | who sent the message |`,
      ...RECORD_MIDDLE.rows(RECORD_HEAD.sizeBytes, ' + b'),
      `| ${RECORD_HEAD.sizeBytes + RECORD_MIDDLE.sizeBytes} + b | s bytes | \`storeHost\` | who stored it; part of its id |`,
      ...RECORD_REST.rows(RECORD_HEAD.sizeBytes + RECORD_MIDDLE.sizeBytes, ' + b + s'),
      '| then | `bodyBytes` bytes | `body` | as the producer sent it |',
      `| then | int8 (V1), int16 (V2) | \`topicBytes\` | size of the topic; V2 only where it exceeds ${TOPIC_BYTES_MAX_V1} |`,
      '| then | `topicBytes` bytes | `topic` | |',
      '| then | int16 | `propertiesBytes` | size of the properties |',
      '| then | `propertiesBytes` bytes | `properties` | see below; the record ends here |'
    ]),
    `Where a record and ${BLANK_RESERVE_BYTES} more bytes do not fit into the rest of a segment, a blank closes it: int32, the
size of the rest, and int32, \`0xCBD43194\`. What follows these ${BLANK_RESERVE_BYTES} bytes means nothing. The next record is
the first of the next segment.`,
    '### Bits of `sysFlag`',
    table(
      ['bits', 'name'],
      Object.entries(SYS_FLAG)
        .filter(([, bits]) => bits !== 0)
        .map(([name, bits]) => `| 0x${bits.toString(16)} | \`${name}\` |`)
    )
  )
}

function properties(): string {
  return section(
    'Properties',
    `Name, byte 1, value, byte 2, repeated; the last byte 2 may be missing. An empty name or value counts as absent, and of a
repeated name the last piece counts. The order means nothing. All together take at most 32,767 bytes.`,
    `With a checksum over the record, its last property is \`${RECORD_CHECKSUM_PROPERTY}\`, ${RECORD_CHECKSUM_BYTES} bytes
in all: ten decimal digits, the last digit first, of the CRC-32 (without its top bit) over everything before it.`
  )
}

function consumeQueue(): string {
  return section(
    'Consume queue',
    `Entry n of a queue stands at byte ${CONSUME_QUEUE_ENTRY.sizeBytes} n.`,
    tableOf(CONSUME_QUEUE_ENTRY),
    `The hash of a tag is that of Java's \`String.hashCode\`, with its sign. A queue that does not start at 0 begins with
entries of size \`0x7fffffff\`, which stand for nothing. A tag code of -2147483649 or less is a position in
\`consumequeue_ext\`, with the top bit set.`,
    '### Unit of `consumequeue_ext`',
    tableOf(CONSUME_QUEUE_EXT_UNIT),
    '### Entry of `batchconsumequeue`',
    tableOf(BATCH_QUEUE_ENTRY)
  )
}

function keyIndex(): string {
  return section(
    'Key index',
    `Header, then slots of ${INDEX_SLOT_BYTES} bytes, then items. A slot holds the number of its newest item, 0 for none. The
slot of a key is its hash modulo the number of slots. How many slots and items there are is a setting, by default
5,000,000 and 20,000,000, and not recorded in the file.`,
    '### Header',
    tableOf(INDEX_HEADER),
    '### Item',
    tableOf(INDEX_ITEM)
  )
}

function timer(): string {
  return section(
    'Timer',
    `\`timerwheel\` has ${TIMER_SLOT_COUNT.toLocaleString('en')} slots, ${bytes(TIMER_WHEEL_BYTES)}. The slot of a moment is
its time in steps (seconds by default) modulo the number of slots.`,
    '### Slot of `timerwheel`',
    tableOf(TIMER_WHEEL_SLOT),
    '### Unit of `timerlog`',
    tableOf(TIMER_LOG_UNIT),
    `Where fewer than ${TIMER_LOG_UNIT_ROOM_BYTES} bytes are left in a file, a blank closes it:`,
    tableOf(TIMER_LOG_BLANK),
    '### `config/timercheck`',
    `One page of ${bytes(TIMER_CHECK_FILE_BYTES)}; the rest is zero.`,
    tableOf(TIMER_CHECK),
    '### `varve/timer`',
    'What Varve alone keeps: which messages of a second that is not done with have been delivered. It is believed only while',
    'the checkpoint is the one that it was written after.',
    tableOf(TIMER_MARK)
  )
}

function batch(): string {
  return section(
    'Body of a batch',
    'What a producer sends as a batch: items back to back. An ordinary topic stores one record per item.',
    table(FIELDS, [
      ...BATCH_ITEM_HEAD.rows(),
      `| ${BATCH_ITEM_HEAD.sizeBytes} | \`bodyBytes\` bytes | \`body\` | |`,
      ...BATCH_ITEM_REST.rows(BATCH_ITEM_HEAD.sizeBytes, ' + bodyBytes'),
      '| then | `propertiesBytes` bytes | `properties` | as in a record |'
    ])
  )
}

function sidecar(): string {
  return section(
    "Varve's own files",
    `\`varve/state\` and \`varve/queues\` are made of blocks: a head, then a payload.`,
    tableOf(SIDECAR_HEAD),
    '### `varve/state`',
    `Two blocks, the second at byte ${STATE_SLOT_BYTES.toLocaleString('en')}, written in turn; the whole one with the higher generation
counts. Magic \`${hex(STATE_MAGIC)}\`. After these numbers come the name of the run (the boot id of the system and the
number of the mount, where the system tells them) and the owner token, as text.`,
    tableOf(STATE),
    '### `varve/queues`',
    `One block, magic \`${hex(QUEUE_TABLE_MAGIC)}\`, replaced whole.`,
    tableOf(QUEUE_TABLE),
    'Then each topic: its head, its name, its queues.',
    tableOf(QUEUE_TABLE_TOPIC),
    tableOf(QUEUE_TABLE_ROW),
    '### `varve/seals`',
    'One for each segment that is full, in the order in which they were filled; the last one of a segment counts.',
    tableOf(SEAL),
    '### `varve/damage`',
    `One line for each range of the log that is known to be damaged: CRC-32 in eight hexadecimal digits, a space, JSON with
\`from\`, \`until\` and \`reason\`.`,
    '### `varve/deleted`',
    `One line for each deleted topic of which the log may still have messages, written as in \`varve/damage\`: JSON with \`topic\` and
\`until\`, where the log ended when the topic was deleted.`
  )
}

function frame(): string {
  return section(
    'Frame of the remoting protocol',
    'Not in a file, but on the wire between clients, brokers and name servers. The header follows, then the body.',
    tableOf(FRAME_HEAD),
    '### Binary header',
    `It begins as below. Then come the remark and all fields together, each after an int32 with its size in bytes. A field is
an int16 with the size of its name, the name, an int32 with the size of its value, the value.`,
    tableOf(BINARY_HEADER)
  )
}

const FIELDS = ['at', 'type', 'field', 'meaning']

function section(title: string, ...parts: string[]): string {
  return [`## ${title}`, ...parts].join('\n\n')
}

function tableOf<Name extends string>(layout: Layout<Name>): string {
  return `${table(FIELDS, layout.rows())}\n\n${layout.sizeBytes} bytes.`
}

function table(columns: readonly string[], rows: readonly string[]): string {
  return [`| ${columns.join(' | ')} |`, `|${columns.map(() => '---|').join('')}`, ...rows].join('\n')
}

function hex(magic: number): string {
  return `0x${magic.toString(16)}`
}

function bytes(count: number): string {
  return `${count.toLocaleString('en')} bytes`
}
