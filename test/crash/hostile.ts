/** Connections that mean no good: bytes of no frame, lengths of nothing, half a frame and silence. */
import { createConnection } from 'node:net'
import type { Random } from '../../src/base/index.ts'
import { Violation } from './violation.ts'

/** A length that cannot be is refused as soon as it is there, long before a frame is overdue (15 s). */
const END_MS_MAX = 10_000

/** Sends each in its own connection and waits for the end that the server must put to those that cannot be frames. */
export async function beHostile(port: number, random: Random): Promise<number> {
  const ends = [
    Buffer.from([0x7f, 0xff, 0xff, 0xff]), // A frame of 2 GiB.
    Buffer.from([0xff, 0xff, 0xff, 0xff]), // Of less than nothing.
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]), // Of nothing.
    Buffer.from([0, 0, 0, 8, 0x00, 0xff, 0xff, 0xff]), // A header longer than its frame.
    Buffer.from('GET / HTTP/1.1\r\n\r\n')
  ].map(bytes => endOf(port, bytes))
  const noise = Array.from({ length: 5 }, () => say(port, Buffer.from(random.bytes(random.between(1, 5_000)))))
  await Promise.all([...ends, ...noise])
  return ends.length + noise.length
}

function endOf(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write(bytes))
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Violation(`a connection that says ${bytes.toString('hex')} is kept open`))
    }, END_MS_MAX)
    socket.on('error', () => {}).resume()
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Leaves by itself: noise may be the beginning of something. */
function say(port: number, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.end(bytes))
    socket.on('error', () => {}).resume()
    socket.once('close', () => resolve())
  })
}
