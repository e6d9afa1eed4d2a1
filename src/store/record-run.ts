/**
 * Record run: how many of the records behind a known one are intact, found in one native call.
 *
 * A reader of 1 KiB messages mostly waits for memory. The call fetches each record before it looks at it, and looks at all
 * of it at once: head, body and tail. Located and summed in turns here, records took more than twice as long
 * (bench/store/read.bench.ts).
 *
 * Invariants:
 * - it is only told of a first record that `locate` found whole, and that has the right topic and queue: the native code
 *   takes the places of all fields from there, and knows no layout of its own
 * - a record at which it stops need not be damaged: it may only be of another version, or have hosts of another kind; the
 *   caller looks at it by itself
 *
 * Not here: looking at one record (record-reader.ts).
 */
import { RECORD_HEAD, type RecordPositions, SYS_FLAG, topicLengthBytesOf } from '../layout/index.ts'
import { nativeIfBuilt, RECORD_PLAN } from './mapping.ts'
import type { Entries } from './queue-entries.ts'

const HOST_BITS = SYS_FLAG.BORN_HOST_V6 | SYS_FLAG.STORE_HOST_V6

type PlanNumber = (typeof RECORD_PLAN)[number]
const AT = Object.fromEntries(RECORD_PLAN.map((name, index) => [name, index])) as Record<PlanNumber, number>

export class RecordRun {
  readonly #native = nativeIfBuilt()
  readonly #plan = new Float64Array(RECORD_PLAN.length)

  constructor() {
    const plan = this.#plan
    plan[AT.totalBytesAt] = RECORD_HEAD.at.totalBytes
    plan[AT.magicAt] = RECORD_HEAD.at.magic
    plan[AT.checksumAt] = RECORD_HEAD.at.bodyChecksum
    plan[AT.queueIdAt] = RECORD_HEAD.at.queueId
    plan[AT.queueOffsetAt] = RECORD_HEAD.at.queueOffset
    plan[AT.physicalOffsetAt] = RECORD_HEAD.at.physicalOffset
    plan[AT.sysFlagAt] = RECORD_HEAD.at.sysFlag
    plan[AT.hostBits] = HOST_BITS
  }

  /**
   * The first of the entries `[from, until)` that is not known to be intact; byte p of the log is `bytes[p - base]`. The
   * record before `from` lies there as `before` has it.
   */
  knownUntil(
    entries: Entries,
    from: number,
    until: number,
    { bytes, base }: { readonly bytes: Uint8Array; readonly base: number },
    before: RecordPositions
  ): number {
    if (this.#native === undefined || from === until) return from
    const plan = this.#plan
    plan[AT.from] = from
    plan[AT.until] = until
    plan[AT.base] = base
    plan[AT.queueOffset] = entries.offset + from
    plan[AT.magic] = before.magic >>> 0
    plan[AT.queueId] = before.queueId
    plan[AT.hostBitsSet] = before.sysFlag & HOST_BITS
    plan[AT.bodyBytesAt] = before.bodyAt - BODY_LENGTH_BYTES - before.at
    plan[AT.topicFrom] = before.topicAt - topicLengthBytesOf(before.magic)
    plan[AT.topicUntil] = before.topicAt + before.topicBytes
    return from + this.#native.intactRecords(bytes, entries.positions, entries.sizes, plan)
  }
}

/** The length of the body, an int32, is the last field before it. */
const BODY_LENGTH_BYTES = 4
