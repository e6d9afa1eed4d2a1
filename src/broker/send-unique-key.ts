/**
 * UNIQ_KEY for messages whose producer sent none, as Java's broker makes them: in hexadecimal the address, the process,
 * a number for this maker, the ms since the month began, and a counter.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/index.ts'
import { hostToBytes } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import { writeHex } from './send-draft.ts'

const PORT_BYTES = 4
const PROCESS_DIGITS = 4
const MAKER_DIGITS = 8
const TIME_DIGITS = 8
const COUNTER_DIGITS = 4

export class UniqueKeys {
  readonly #clock: Clock
  readonly #prefix: Uint8Array
  #monthFromMs = 0
  #monthUntilMs = 0
  #counter = 0

  constructor(clock: Clock, host: HostAddress, processId = process.pid) {
    this.#clock = clock
    const addressBytes = hostToBytes(host).slice(0, -PORT_BYTES)
    const prefix = new Uint8Array(2 * addressBytes.length + PROCESS_DIGITS + MAKER_DIGITS)
    let at = 0
    for (const byte of addressBytes) at = writeHex(prefix, at, byte, 2)
    at = writeHex(prefix, at, processId, PROCESS_DIGITS)
    writeHex(prefix, at, randomBytes(4).readUInt32BE(), MAKER_DIGITS)
    this.#prefix = prefix
  }

  /** How many bytes `write` writes. */
  get sizeBytes(): number {
    return this.#prefix.length + TIME_DIGITS + COUNTER_DIGITS
  }

  /** Writes a new key at `at` and returns where it ends. */
  write(into: Uint8Array, at: number): number {
    const nowMs = this.#clock.nowMs()
    if (nowMs >= this.#monthUntilMs || nowMs < this.#monthFromMs) this.#enterMonth(nowMs)
    into.set(this.#prefix, at)
    const timeAt = at + this.#prefix.length
    writeHex(into, timeAt, Math.floor(nowMs) - this.#monthFromMs, TIME_DIGITS)
    this.#counter = (this.#counter + 1) & 0xffff
    return writeHex(into, timeAt + TIME_DIGITS, this.#counter, COUNTER_DIGITS)
  }

  #enterMonth(nowMs: number): void {
    const now = new Date(nowMs)
    this.#monthFromMs = new Date(now.getFullYear(), now.getMonth()).getTime()
    this.#monthUntilMs = new Date(now.getFullYear(), now.getMonth() + 1).getTime()
  }
}
