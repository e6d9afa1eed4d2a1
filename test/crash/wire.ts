/**
 * A client of the remoting protocol in the fewest words, with framing of its own: nothing of src/protocol is used here, so
 * that the checker does not share the mistakes of what it checks.
 *
 * A frame: int32 length of what follows, int32 length of the header, the header in JSON, the body. A call that was under
 * way when the connection ended rejects with `WireClosed`: it may have been carried out or not.
 */
import { createConnection, type Socket } from 'node:net'
import { Violation } from './violation.ts'

export const CODE = {
  send: 310,
  sendBatch: 320,
  pull: 11,
  queryOffset: 14,
  updateOffset: 15,
  createTopic: 17,
  maxOffset: 30,
  heartbeat: 34,
  endTransaction: 37,
  askTransaction: 39
} as const

export const ANSWER = { success: 0, flushTimeout: 10, notFound: 19, retryNow: 20, offsetMoved: 21 } as const

export type WireFields = Readonly<Record<string, string | number | boolean>>

export interface WireAnswer {
  readonly code: number
  readonly remark: string | undefined
  readonly fields: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What the server asks of us. */
export interface WireRequest {
  readonly code: number
  readonly fields: Readonly<Record<string, string>>
}

export class WireClosed extends Error {
  override readonly name = 'WireClosed'
}

interface Header {
  readonly code: number
  readonly flag: number
  readonly opaque: number
  readonly remark?: string
  readonly extFields?: Readonly<Record<string, string>>
}

const VERSION = 479
const PREFIX_BYTES = 8
const IS_ANSWER = 1
const IS_ONEWAY = 2
/** No frame of the suite is nearly as large: a length that is was cut or made up on the way. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024
const ANSWER_MS_MAX = 30_000

interface Waiting {
  readonly resolve: (answer: WireAnswer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

export class Wire {
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #onRequest: (request: WireRequest) => void
  #received: Buffer = Buffer.alloc(0)
  #opaque = 0
  #isClosed = false

  private constructor(socket: Socket, onRequest: (request: WireRequest) => void) {
    this.#socket = socket
    this.#onRequest = onRequest
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', () => socket.destroy())
    this.closed = new Promise(resolve => {
      socket.once('close', () => {
        this.#end()
        resolve()
      })
    })
  }

  /** @throws WireClosed if nobody listens there */
  static open(port: number, onRequest: (request: WireRequest) => void = () => {}): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: '127.0.0.1', port, noDelay: true })
      socket.once('connect', () => {
        socket.removeAllListeners('error')
        resolve(new Wire(socket, onRequest))
      })
      socket.once('error', cause => reject(new WireClosed(String(cause))))
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @throws WireClosed; Violation if a server that lives does not answer at all */
  call(code: number, fields: WireFields, body: Uint8Array = Buffer.alloc(0)): Promise<WireAnswer> {
    if (this.#isClosed) return Promise.reject(new WireClosed('the connection is closed'))
    const opaque = ++this.#opaque
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(opaque)
        reject(new Violation(`request ${code} is not answered within ${ANSWER_MS_MAX} ms`))
      }, ANSWER_MS_MAX)
      this.#waiting.set(opaque, { resolve, reject, timer })
      this.#socket.write(frame(code, 0, opaque, fields, body))
    })
  }

  oneway(code: number, fields: WireFields): void {
    if (!this.#isClosed) this.#socket.write(frame(code, IS_ONEWAY, ++this.#opaque, fields, Buffer.alloc(0)))
  }

  close(): void {
    this.#socket.destroy()
    this.#end()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    let at = 0
    while (this.#received.length - at >= PREFIX_BYTES) {
      const bytes = this.#received.readInt32BE(at)
      if (bytes < 4 || bytes > FRAME_BYTES_MAX) return void this.#socket.destroy()
      if (this.#received.length - at < 4 + bytes) break
      this.#answered(this.#received.subarray(at + 4, at + 4 + bytes))
      at += 4 + bytes
    }
    this.#received = this.#received.subarray(at)
  }

  #answered(bytes: Buffer): void {
    const bodyAt = 4 + (bytes.readInt32BE(0) & 0xffffff)
    const { code, flag, opaque, remark, extFields = {} } = JSON.parse(bytes.toString('utf8', 4, bodyAt)) as Header
    if ((flag & IS_ANSWER) === 0) return this.#onRequest({ code, fields: extFields })
    const waiting = this.#waiting.get(opaque)
    if (waiting === undefined) return // A copy of an answer, if the network makes copies.
    this.#waiting.delete(opaque)
    clearTimeout(waiting.timer)
    waiting.resolve({ code, remark, fields: extFields, body: Buffer.from(bytes.subarray(bodyAt)) })
  }

  #end(): void {
    this.#isClosed = true
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(new WireClosed('the connection ended before the answer'))
    }
    this.#waiting.clear()
  }
}

function frame(code: number, flag: number, opaque: number, fields: WireFields, body: Uint8Array): Buffer {
  const extFields = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]))
  const header = Buffer.from(
    JSON.stringify({
      code,
      extFields,
      flag,
      language: 'JAVA',
      opaque,
      serializeTypeCurrentRPC: 'JSON',
      version: VERSION
    })
  )
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeInt32BE(4 + header.length + body.length, 0)
  prefix.writeInt32BE(header.length, 4)
  return Buffer.concat([prefix, header, body])
}
