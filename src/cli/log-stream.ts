/**
 * Where a broker's log lines go: a file descriptor, usually stderr, without ever waiting for whoever reads it.
 *
 * Node writes to a pipe in the calling thread: a reader that stops would stop the broker. Here a thread of Node's pool
 * writes, everything that has come meanwhile in one go; when more waits than may, lines are left out and counted.
 *
 * Invariants:
 * - lines keep their order, one write is under way at a time
 * - what waits is at most `WAITING_BYTES_MAX`, plus the line that says how many were left out
 *
 * Not here: what a line looks like (base/log.ts).
 */
import { write, writeSync } from 'node:fs'
import { errnoOf, MiB } from '../base/index.ts'

const WAITING_BYTES_MAX = 4 * MiB
/** A pipe that takes nothing for now, because somebody has made it non-blocking. */
const AGAIN_MS = 50

export class LogStream {
  readonly #file: number
  readonly #leftOut: (count: number) => string
  #waiting: string[] = []
  #waitingBytes = 0
  #leftOutCount = 0
  /** Not yet written of what is being written. */
  #writing: Buffer | undefined
  #isBroken = false
  #idle: (() => void)[] = []

  /** `leftOut` makes the line that says how many lines are missing here. */
  constructor(file: number, leftOut: (count: number) => string) {
    this.#file = file
    this.#leftOut = leftOut
  }

  /** One line, without its end. */
  readonly write = (line: string): void => {
    if (this.#isBroken) return
    const bytes = Buffer.byteLength(line) + 1
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#leftOutCount++
      return
    }
    if (this.#leftOutCount > 0) {
      this.#waiting.push(this.#leftOut(this.#leftOutCount))
      this.#leftOutCount = 0
    }
    this.#waiting.push(line)
    this.#waitingBytes += bytes
    if (this.#writing === undefined) this.#writeWaiting()
  }

  /** Resolves once everything so far is written, or cannot be. */
  flushed(): Promise<void> {
    if (this.#writing === undefined) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  /** For the last moment of the process, when nothing asynchronous runs any more. What is under way may be written twice. */
  flushNow(): void {
    if (this.#isBroken) return
    const rest = Buffer.concat([this.#writing ?? Buffer.alloc(0), this.#takeWaiting()])
    this.#isBroken = true
    try {
      if (rest.length > 0) writeSync(this.#file, rest)
    } catch (error) {
      // The reader is gone or takes nothing more; there is nobody left to tell.
      if (errnoOf(error) !== 'EPIPE' && errnoOf(error) !== 'EAGAIN') throw error
    }
  }

  #writeWaiting(): void {
    this.#writing = this.#takeWaiting()
    this.#continue()
  }

  #takeWaiting(): Buffer {
    const text = this.#waiting.map(line => `${line}\n`).join('')
    this.#waiting = []
    this.#waitingBytes = 0
    return Buffer.from(text)
  }

  #continue(): void {
    const rest = this.#writing as Buffer // Set by the caller.
    write(this.#file, rest, (error, written) => {
      if (error !== null && error.code === 'EAGAIN') return void setTimeout(() => this.#continue(), AGAIN_MS)
      if (error !== null) return this.#breakOff()
      this.#writing = rest.subarray(written)
      if (this.#writing.length > 0) return this.#continue()
      if (this.#waiting.length > 0) return this.#writeWaiting()
      this.#rest()
    })
  }

  /** The reader is gone: a broker goes on without its log. */
  #breakOff(): void {
    this.#isBroken = true
    this.#waiting = []
    this.#rest()
  }

  #rest(): void {
    this.#writing = undefined
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
