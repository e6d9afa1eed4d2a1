/**
 * One connection to a broker, as cheap as Node has it: received bytes land in one buffer that is used again, answers are
 * looked at where they lie, and what is written goes out as it is.
 *
 * Not here: what is sent and what an answer means (send-lane.ts, pull-lane.ts).
 */
import { createConnection, type Socket } from 'node:net'
import { VarveError } from '../base/index.ts'
import { loadFailure } from './failure.ts'
import { type Fields, OPAQUE_FIRST, requestFrame } from './request-frame.ts'
import { Answer } from './response-scan.ts'

/** More than the largest answer of a pull; a larger one makes the buffer grow. */
const RECEIVE_BYTES = 1 << 20

export interface Address {
  readonly host: string
  readonly port: number
}

export function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  if (colon < 1 || !(port > 0)) throw loadFailure(`${text} is not HOST:PORT`)
  return { host: text.slice(0, colon), port }
}

/** What an owner does with its answers. Both may write. */
export interface AnswerSink {
  /** Called for each answer; it is gone after the call. */
  answered(answer: Answer, bytes: Buffer): void
  /** Called once when all that had been received has been looked at: the time to write. */
  received?(): void
}

export class Connection {
  readonly #socket: Socket
  readonly #answer = new Answer()
  #bytes = Buffer.allocUnsafeSlow(RECEIVE_BYTES)
  #kept = 0
  #isOpen = false
  #sink: AnswerSink | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor({ host, port }: Address) {
    this.#socket = createConnection({
      host,
      port,
      noDelay: true,
      onread: { buffer: () => this.#bytes.subarray(this.#kept), callback: byteCount => this.#received(byteCount) }
    })
    const address = `${host}:${port}`
    const code = () => (this.#isOpen ? 'PEER_CLOSED' : 'PEER_UNREACHABLE')
    this.#socket.once('error', cause => this.#failed?.(new VarveError(code(), { address }, { cause })))
    this.#socket.once('close', () => this.#failed?.(new VarveError(code(), { address })))
    this.#socket.once('connect', () => {
      this.#isOpen = true
    })
  }

  /** @throws VarveError PEER_UNREACHABLE */
  static open(address: Address): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection(address)
      connection.#failed = reject
      connection.#socket.once('connect', () => resolve(connection))
    })
  }

  /** From now on answers go to `sink`, and `failed` hears of the end of the connection. */
  serve(sink: AnswerSink, failed: (error: Error) => void): void {
    this.#sink = sink
    this.#failed = failed
  }

  /** The bytes must stay as they are until they have been answered. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** For the writes of one turn to go out together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** One request and its answer while nothing else is in flight: for what is asked before and after a load. */
  async call(code: number, fields: Fields, body?: Uint8Array): Promise<{ code: number; header: string; body: Buffer }> {
    return new Promise((resolve, reject) => {
      this.serve(
        {
          answered: (answer, bytes) =>
            resolve({
              code: answer.code,
              header: answer.header(bytes),
              body: Buffer.from(bytes.subarray(answer.bodyAt, answer.until))
            })
        },
        reject
      )
      this.write(requestFrame(code, fields, OPAQUE_FIRST, body))
    })
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #received(byteCount: number): boolean {
    const until = this.#kept + byteCount
    const bytes = this.#bytes
    let at = 0
    while (this.#answer.scan(bytes, at, until)) {
      at = this.#answer.until
      this.#sink?.answered(this.#answer, bytes)
    }
    this.#keep(at, until)
    this.#sink?.received?.()
    return true
  }

  /** What is left of a frame moves to the front; room is made where the frame is larger than the buffer. */
  #keep(at: number, until: number): void {
    this.#kept = until - at
    if (this.#kept === this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2)
      this.#bytes.copy(larger, 0, at, until)
      this.#bytes = larger
    } else if (this.#kept > 0 && at > 0) {
      this.#bytes.copyWithin(0, at, until)
    }
  }
}
