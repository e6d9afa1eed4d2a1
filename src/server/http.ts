/**
 * HTTP for machines and people who look after a broker: a few fixed paths, GET and HEAD alone.
 *
 * It shares its thread with the broker, so what it costs is bounded: connections, the size of a request's head, the time
 * it may take to arrive and the time an answer may take to leave. An answer may come in pieces; between two of them
 * other work gets its turn, and none is made while the reader has not taken those before it.
 *
 * Not here: what the paths say (http-routes.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KiB, type Log, secondMs } from '../base/index.ts'
import type { HostAddress } from '../model/index.ts'
import { listenError } from '../protocol/index.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Iterable<string>
}

/** By path. Called once for each request. */
export type HttpRoutes = Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>

export interface HttpLimits {
  readonly connectionsMax: number
  readonly headBytesMax: number
  /** The whole request must have arrived so long after its first byte. */
  readonly requestMs: number
  /** Nothing read and nothing written for so long. */
  readonly idleMs: number
}

export const HTTP_LIMITS: HttpLimits = {
  connectionsMax: 64,
  headBytesMax: 8 * KiB,
  requestMs: 5 * secondMs,
  idleMs: 10 * secondMs
}

export interface ListenHttpOptions {
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  readonly routes: HttpRoutes
  readonly limits?: Partial<HttpLimits>
  readonly log: Log
}

export interface HttpListener {
  readonly address: HostAddress
  /** Takes no more requests and lets those under way finish, for at most `drainMs`. */
  close(options: { readonly drainMs: number }): Promise<void>
}

/** @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE */
export async function listenHttp({ host, port, routes, limits, log }: ListenHttpOptions): Promise<HttpListener> {
  const { connectionsMax, headBytesMax, requestMs, idleMs } = { ...HTTP_LIMITS, ...limits }
  const server = createServer({
    maxHeaderSize: headBytesMax,
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(requestMs, secondMs)
  })
  server.maxConnections = connectionsMax
  server.timeout = idleMs
  server.on('request', (request, response) => {
    answer(routes, request, response).catch((error: unknown) => {
      log.error('http request failed', { path: request.url, error: error instanceof Error ? error : String(error) })
      response.destroy()
    })
  })
  server.on('drop', () => log.warn('http connection refused', { because: 'too many are open', connectionsMax }))
  const address = await listening(server, host, port)
  return { address, close: ({ drainMs }) => closed(server, drainMs) }
}

async function answer(routes: HttpRoutes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, contentType, body, allow } = await find(routes, request)
  // Whatever body a request has is not read: the connection ends with the answer.
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
    response.setHeader('connection', 'close')
  if (allow !== undefined) response.setHeader('allow', allow)
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' })
  if (request.method === 'HEAD') response.end()
  else if (typeof body === 'string') response.end(body)
  else await sendPieces(response, body)
}

async function find(
  routes: HttpRoutes,
  { method, url = '/' }: IncomingMessage
): Promise<HttpAnswer & { allow?: string }> {
  const path = url.split('?', 1)[0]!
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (route === undefined) return plain(404, `There are ${Object.keys(routes).join(', ')}.\n`)
  if (method !== 'GET' && method !== 'HEAD') return { ...plain(405, 'Only GET and HEAD.\n'), allow: 'GET, HEAD' }
  return await route()
}

const plain = (status: number, body: string): HttpAnswer => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body
})

async function sendPieces(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (response.destroyed) return
    const isTaken = response.write(piece)
    await (isTaken ? nextTurn() : drained(response))
  }
  response.end()
}

const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Also when the reader is gone, which ends all waiting. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.once('drain', done).once('close', done)
  })
}

function listening(server: Server, host: string, port: number): Promise<HostAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => reject(listenError(cause, host, port)))
    server.listen({ host, port }, () => {
      const { address, port } = server.address() as AddressInfo // It listens on a port, not on a pipe.
      resolve({ address, port })
    })
  })
}

function closed(server: Server, drainMs: number): Promise<void> {
  return new Promise(resolve => {
    const force = setTimeout(() => server.closeAllConnections(), drainMs)
    server.close(() => {
      clearTimeout(force)
      resolve()
    })
    server.closeIdleConnections()
  })
}
