/**
 * One connection over a socket: finds requests and answers in what arrives, sends what is written, and ends a peer that
 * breaks the rules.
 *
 * Invariants:
 * - what is written during one piece of input, or one callback of anybody, goes to the socket in one piece at its end
 * - a peer that does not take what it asked for is not read from until it does
 * - a frame is handed on only while the connection is open
 *
 * Not here: what requests mean; addresses and accepting (listener.ts, caller.ts).
 */
import { assert, secondMs } from '../../base/index.ts'
import { FLAG_ONEWAY, FLAG_RESPONSE } from '../../layout/index.ts'
import type { HostAddress } from '../../model/index.ts'
import { Calls } from './calls.ts'
import type { CallOptions, FieldValues, HeaderWriter, RemotingAnswer } from './connection-api.ts'
import type { ConnectionSet, SweptConnection } from './connection-set.ts'
import { FrameGatherer } from './frame-gatherer.ts'
import { Outgoing } from './outgoing.ts'
import type { Transport } from './transport.ts'

let connectionCount = 0

export class SocketConnection implements SweptConnection {
  readonly id = ++connectionCount
  readonly remote: HostAddress
  readonly local: HostAddress
  attachment: unknown
  readonly #socket: Transport['socket']
  readonly #set: ConnectionSet
  readonly #outgoing: Outgoing
  readonly #gatherer: FrameGatherer
  /** Made with the first request to the peer: most peers are never asked anything. */
  #calls: Calls | undefined
  #isOpen = true
  #closeReason = ''
  #onClosed: ((reason: string) => void)[] = []
  #isReading = false
  #isFlushDue = false
  /** The peer has not taken what waits for it; `#held` is input that was not looked at because of it. */
  #isCongested = false
  #held: Buffer | undefined
  #activeMs: number
  #frameBeganMs = 0

  constructor(transport: Transport, addresses: { remote: HostAddress; local: HostAddress }, set: ConnectionSet) {
    const { socket } = transport
    this.#socket = socket
    this.#set = set
    this.remote = addresses.remote
    this.local = addresses.local
    this.#activeMs = set.clock.monotonicMs()
    this.#gatherer = new FrameGatherer(set.limits)
    this.#outgoing = new Outgoing(transport, set.pool, {
      sent: bytes => this.#sent(bytes),
      drained: () => this.#drained()
    })
    set.add(this)
    transport.arrived = (bytes, until) => this.#arrived(bytes, until)
    socket.on('error', error => this.#end(`the socket failed: ${error.message}`))
    socket.on('close', () => this.#gone())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  begin(opaque: number, code: number, remark?: string): HeaderWriter {
    this.#set.onAnswer?.(this, opaque, code)
    return this.#open(code, FLAG_RESPONSE, opaque, remark)
  }

  async call(code: number, fields: FieldValues, { body, timeoutMs }: CallOptions): Promise<RemotingAnswer> {
    this.#calls ??= new Calls(`${this.remote.address}:${this.remote.port}`)
    const opaque = this.#calls.nextOpaque()
    const answer = this.#calls.wait(opaque, code, this.#set.clock.monotonicMs() + timeoutMs)
    if (this.#isOpen) this.#write(this.#open(code, 0, opaque, undefined), fields, body)
    else this.#calls.closed(this.#closeReason)
    return answer
  }

  notify(code: number, fields: FieldValues, body?: Uint8Array): void {
    this.#write(this.#open(code, FLAG_ONEWAY, 0, undefined), fields, body)
  }

  close(reason: string): void {
    if (!this.#isOpen) return
    this.#outgoing.flush()
    this.#end(reason)
    this.#socket.destroySoon()
  }

  onClosed(callback: (reason: string) => void): void {
    if (this.#isOpen) this.#onClosed.push(callback)
    else process.nextTick(callback, this.#closeReason)
  }

  /** Closes at once; what was not sent is lost. */
  destroy(): void {
    this.#end('closed by force')
    this.#socket.destroy()
  }

  sweep(nowMs: number): void {
    const { frameMs, frameBytesPerSecondMin, idleMs } = this.#set.limits
    if (!this.#isOpen) {
      if (nowMs - this.#activeMs > frameMs) this.#socket.destroy() // The rest was not taken in time.
      return
    }
    this.#calls?.expire(nowMs)
    const { gatheredBytes } = this.#gatherer
    const frameMsMax = frameMs + (gatheredBytes / frameBytesPerSecondMin) * secondMs
    if (gatheredBytes > 0 && !this.#isCongested && nowMs - this.#frameBeganMs > frameMsMax) {
      this.#reject('half a frame, and the rest did not come in time')
    } else if (nowMs - this.#activeMs > idleMs) this.#reject('idle', 'debug')
  }

  #arrived(piece: Buffer, until: number): void {
    this.#activeMs = this.#set.clock.monotonicMs()
    this.#set.counters.bytesRead += until
    if (this.#isOpen) this.#read(piece, 0, until)
  }

  /** Reads `[from, until)` of a piece. */
  #read(piece: Buffer, from: number, until: number): void {
    const gatherer = this.#gatherer
    let at = from
    this.#isReading = true
    this.#set.received.begunMs = this.#activeMs
    if (gatherer.gatheredBytes > 0) {
      assert(from === 0, 'what begins a frame is kept only when everything before it was read')
      at = gatherer.gather(piece, until)
      if (gatherer.isWhole) {
        const whole = gatherer.takeWhole()
        this.#take(whole, 0, whole.length)
      }
    }
    while (this.#isOpen && !this.#isCongested && gatherer.fault === undefined) {
      const end = gatherer.endOfFrame(piece, at, until)
      if (end === -1) break
      this.#take(piece, at, end)
      at = end
    }
    // Time has hardly passed since then: what is sent here need not look at the clock again.
    this.#outgoing.flush()
    this.#isReading = false

    if (!this.#isOpen) return
    if (gatherer.fault !== undefined) return this.#reject(gatherer.fault)
    if (this.#isCongested) {
      this.#held = Buffer.from(piece.subarray(at, until)) // The piece was lent.
    } else if (at < until) {
      gatherer.keep(piece, at, until)
      this.#frameBeganMs = this.#activeMs
    }
  }

  #take(bytes: Buffer, from: number, until: number): void {
    const { received, counters, onRequest, limits } = this.#set
    const fault = received.read(bytes, from, until, limits.fieldCountMax)
    if (fault !== undefined) return this.#reject(fault)
    if (received.isResponse) return this.#takeAnswer(received.opaque)
    counters.requests++
    onRequest(received, this)
  }

  /** An answer that nobody waits for is dropped: it came too late, or to a request that wants none. */
  #takeAnswer(opaque: number): void {
    if (this.#calls?.isWaiting(opaque)) this.#calls.answered(opaque, this.#set.keepReceived())
  }

  #open(code: number, flag: number, opaque: number, remark: string | undefined): HeaderWriter {
    return this.#set.writer.open(this.#outgoing, code, flag, opaque, remark, this.#frameEnded)
  }

  #write(writer: HeaderWriter, fields: FieldValues, body: Uint8Array | undefined): void {
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) writer.named(name, String(value))
    }
    if (body === undefined) writer.end()
    else writer.endWith(body)
  }

  /** During a piece of input its end flushes; else the end of the callback that writes, whoever's it is. */
  readonly #frameEnded = (): void => {
    if (!this.#isOpen) return this.#outgoing.discard()
    if (this.#isReading || this.#isFlushDue) return
    this.#isFlushDue = true
    process.nextTick(this.#flushDue)
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false
    if (this.#isOpen) this.#outgoing.flush()
  }

  #sent(bytes: number): void {
    this.#set.counters.bytesWritten += bytes
    const { outputPauseBytes, outputBytesMax } = this.#set.limits
    const { waitingBytes } = this.#outgoing
    if (waitingBytes === 0) {
      if (!this.#isReading) this.#activeMs = this.#set.clock.monotonicMs()
      return
    }
    if (waitingBytes > outputBytesMax)
      process.nextTick(this.#giveUp) // Now, a frame may be half written.
    else if (waitingBytes > outputPauseBytes && !this.#isCongested) {
      this.#isCongested = true
      this.#socket.pause()
    }
  }

  readonly #giveUp = (): void => {
    this.#reject('it does not read what is sent to it')
    this.#socket.destroy()
  }

  #drained(): void {
    this.#activeMs = this.#set.clock.monotonicMs()
    if (!this.#isOpen || !this.#isCongested || this.#outgoing.waitingBytes > this.#set.limits.outputPauseBytes / 2)
      return
    this.#isCongested = false
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#read(held, 0, held.length)
    if (this.#isOpen && !this.#isCongested) this.#socket.resume()
  }

  /** The peer is at fault. Answers to what it sent before still go out. */
  #reject(reason: string, level: 'warn' | 'debug' = 'warn'): void {
    if (!this.#isOpen) return
    this.#set.closing(`${this.remote.address}:${this.remote.port}`, reason, level)
    this.close(reason)
  }

  #end(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#closeReason = reason
    this.#held = undefined
    this.#outgoing.discard()
    this.#calls?.closed(reason)
    for (const callback of this.#onClosed) process.nextTick(callback, reason)
    this.#onClosed = []
  }

  #gone(): void {
    this.#end('the peer closed the connection')
    this.#set.remove(this)
  }
}
