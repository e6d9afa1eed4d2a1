/** The other end of idle-connections.case.ts: so many connections, one request on each, then silence until stdin ends. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const { port, count } = JSON.parse(process.argv[2] ?? '{}') as { port: number; count: number }
/** So many connect at a time: fewer than the listener's backlog. */
const AT_ONCE = 100

const header = Buffer.from('{"code":34,"flag":0,"language":"JAVA","opaque":1,"version":479}')
const head = Buffer.alloc(8)
head.writeInt32BE(4 + header.length)
head.writeInt32BE(header.length, 4)
const request = Buffer.concat([head, header])

const sockets: Socket[] = []
while (sockets.length < count) {
  const next = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () =>
    connect({ port, host: '127.0.0.1' })
  )
  for (const socket of next) socket.write(request)
  await Promise.all(next.map(socket => once(socket, 'data')))
  sockets.push(...next)
}
process.stdout.write('connected\n')
process.stdin.resume()
await once(process.stdin, 'end')
for (const socket of sockets) socket.destroy()
