/**
 * What connections cost on which nothing happens: each has asked one question and been answered, then all are silent. The
 * clients live in a process of their own, so that memory and CPU are the listener's alone.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { silentLog, systemClock } from '../../src/base/index.ts'
import type { CaseResult } from '../../src/load/index.ts'
import { listenRemoting, type RemotingListener } from '../../src/protocol/index.ts'
import { Session } from '../../src/server/remoting/session.ts'
import { runCase } from '../case.ts'
import { compiledCaseArgs } from '../harness.ts'

export interface IdleConnectionsSettings {
  readonly connections: number
  readonly idleMs: number
}

/** From a process that has just served them to one that has come to rest. */
const SETTLE_MS = 500

await runCase<IdleConnectionsSettings>(async ({ connections, idleMs }): Promise<CaseResult> => {
  const listener = await listenRemoting({
    host: '127.0.0.1',
    port: 0,
    connectionsMax: connections,
    onRequest: ({ opaque }, connection) => connection.begin(opaque, 0).end(),
    // What a broker keeps for each.
    onConnected: connection => void new Session(connection),
    log: silentLog,
    clock: systemClock
  })
  // A few that go again, so that what is loaded and made once is in the figure before, too.
  await whileConnected(listener, Math.ceil(connections / 100), async () => undefined)
  const before = await memoryAtRest()
  const result = await whileConnected(listener, connections, async () => {
    const during = await memoryAtRest()
    const cpu = process.cpuUsage()
    await new Promise(resolve => setTimeout(resolve, idleMs))
    const { user, system } = process.cpuUsage(cpu)
    return { cpuUs: user + system, bytes: during - before }
  })
  const { requests } = listener.counters
  await listener.close({ drainMs: 0 })
  return {
    messages: connections,
    seconds: idleMs / 1000,
    cpuUs: result.cpuUs,
    work: { count: requests, hash: '' },
    settings: {},
    details: { kiBEach: result.bytes / connections / 1024, idleCpuPercent: result.cpuUs / (idleMs * 10) }
  }
})

async function whileConnected<Result>(
  listener: RemotingListener,
  count: number,
  work: () => Promise<Result>
): Promise<Result> {
  const { port } = listener.address
  const args = compiledCaseArgs('protocol/idle-clients.ts', { port, count })
  const clients = spawn(process.execPath, [...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(clients.stdout, 'data') // All are connected and answered.
  const result = await work()
  const gone = once(clients, 'close')
  clients.stdin.end()
  await gone
  return result
}

async function memoryAtRest(): Promise<number> {
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
