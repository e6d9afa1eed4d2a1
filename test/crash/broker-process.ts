/**
 * A broker in a process of its own, to be killed: starts with the settings that it is handed, prints its addresses as one
 * line of JSON, and runs until it is ended. Told to by SIGTERM it stops cleanly; without its parent it does not stay.
 */
import { writeSync } from 'node:fs'
import { MiB, openLog, systemClock } from '../../src/base/index.ts'
import { startBroker } from '../../src/embedded.ts'
import { REMOTING_LIMITS } from '../../src/protocol/index.ts'
import type { BrokerTask } from './broker-child.ts'
import { movedClock } from './moved-clock.ts'

const { settings, defect, clock } = JSON.parse(process.argv[2] as string) as BrokerTask // Given by whoever starts this process.
// For a control: see controls.ts.
if (defect === 'lengths are not checked') {
  Object.assign(REMOTING_LIMITS, { frameBytesMax: Number.MAX_SAFE_INTEGER, headerBytesMax: Number.MAX_SAFE_INTEGER })
}
if (defect === 'memory is kept for ever') {
  const kept: Buffer[] = []
  setInterval(() => kept.push(Buffer.alloc(4 * MiB, 1)), 20)
}
const log = openLog({ sink: line => writeSync(2, `${line}\n`), clock: systemClock, level: 'warn' })

process.stdin.once('end', () => process.exit(3)).resume()
const server = await startBroker({
  config: settings,
  log,
  clock: clock === undefined ? systemClock : movedClock(clock)
})
process.once('SIGTERM', () => {
  server.close().then(
    () => process.exit(0),
    error => {
      writeSync(2, `${String(error)}\n`)
      process.exit(1)
    }
  )
})
writeSync(1, `${JSON.stringify({ ...server.addresses, pid: process.pid })}\n`)
