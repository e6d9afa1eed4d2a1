/** Varve's name server in this process, on a port of its own, and connections to any name server, from the compiled sources. */
import { silentLog, systemClock } from '../../dist/src/base/index.js'
import { NameServer } from '../../dist/src/nameserver/index.js'
import { connectRemoting, listenRemoting } from '../../dist/src/protocol/index.js'

const TIMEOUT_MS = 10_000

/** @param {{ port?: number, settings?: object, log?: object }} [options] */
export async function startVarveNameServer({ port = 0, settings = {}, log = silentLog } = {}) {
  const server = new NameServer({ clock: systemClock, log, settings })
  const listener = await listenRemoting({
    host: '127.0.0.1',
    port,
    onRequest: (request, connection) => server.handle(request, connection),
    connectionsMax: 1000,
    log,
    clock: systemClock
  })
  return {
    server,
    address: `127.0.0.1:${listener.address.port}`,
    async stop() {
      await listener.close({ drainMs: 0 })
      server.close()
    }
  }
}

/** A connection that calls and shows answers as plain data. */
export async function callerOf(address) {
  const [host, port] = address.split(':')
  const connection = await connectRemoting({
    host,
    port: Number(port),
    connectTimeoutMs: TIMEOUT_MS,
    log: silentLog,
    clock: systemClock
  })
  return {
    async call(code, fields = {}, body) {
      const answer = await connection.call(code, fields, { timeoutMs: TIMEOUT_MS, ...(body && { body }) })
      const shown = {}
      answer.eachField((name, value) => {
        shown[name] = value
      })
      return {
        code: answer.code,
        remark: answer.remark,
        fields: shown,
        body: Buffer.from(answer.body).toString()
      }
    },
    close: () => connection.close('done')
  }
}
