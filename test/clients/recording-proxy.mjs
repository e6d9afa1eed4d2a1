/**
 * A proxy between a client and a server of the remoting protocol that keeps a copy of each frame that passes, cut out of
 * the stream by its length. It changes nothing.
 */
import { createConnection, createServer } from 'node:net'

/**
 * @param {{ listen: { host: string, port: number }, target: { host: string, port: number }, record: (frame: { from: 'client' | 'server', bytes: Buffer }) => void }} options
 */
export async function startRecordingProxy({ listen, target, record }) {
  const server = createServer(client => {
    const upstream = createConnection(target)
    const pass = (source, sink, from) => {
      const cut = frameCutter(bytes => record({ from, bytes }))
      source.on('data', chunk => {
        cut(chunk)
        sink.write(chunk)
      })
      source.on('close', () => sink.destroy())
      source.on('error', () => sink.destroy())
    }
    pass(client, upstream, 'client')
    pass(upstream, client, 'server')
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, resolve)
  })
  const { address, port } = server.address()
  return { address: `${address}:${port}`, close: () => server.close() }
}

function frameCutter(frame) {
  let kept = Buffer.alloc(0)
  return chunk => {
    kept = Buffer.concat([kept, chunk])
    while (kept.length >= 4) {
      const until = 4 + kept.readInt32BE(0)
      if (kept.length < until) break
      frame(Buffer.from(kept.subarray(0, until)))
      kept = kept.subarray(until)
    }
  }
}
