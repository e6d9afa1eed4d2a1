/** One request of the remoting protocol and its answer, by hand: for what the suite itself asks of servers. */
import { createConnection } from 'node:net'

const ANSWER_MS_MAX = 10_000
const VERSION = 479

/**
 * @param {string} address HOST:PORT
 * @param {number} code
 * @param {Readonly<Record<string, unknown>>} [fields]
 * @param {Buffer} [body]
 * @returns {Promise<{ code: number, remark?: string, fields: Record<string, string>, body: Buffer }>}
 */
export function ask(address, code, fields = {}, body = Buffer.alloc(0)) {
  const [host, port] = address.split(':')
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(port) })
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error(`${address} does not answer request ${code}`)))
    socket.once('error', reject)
    let received = Buffer.alloc(0)
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return
      const bodyAt = 8 + (received.readInt32BE(4) & 0xffffff)
      const { code, remark, extFields } = JSON.parse(received.toString('utf8', 8, bodyAt))
      socket.end()
      resolve({ code, remark, fields: extFields ?? {}, body: received.subarray(bodyAt) })
    })
    socket.once('close', () => reject(new Error(`${address} closed the connection before it answered request ${code}`)))
    const extFields = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]))
    const header = Buffer.from(
      JSON.stringify({ code, extFields, flag: 0, language: 'JAVA', opaque: 1, version: VERSION })
    )
    const head = Buffer.alloc(8)
    head.writeInt32BE(4 + header.length + body.length, 0)
    head.writeInt32BE(header.length, 4)
    socket.write(Buffer.concat([head, header, body]))
  })
}
