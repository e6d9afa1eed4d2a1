/**
 * Network: clients reach the broker through a network that cuts, resets, delays, doubles and crumbles (proxy.ts), while
 * others say things that are no requests at all (hostile.ts).
 *
 * Each client sends a message until it is acknowledged, then the next. Proved afterwards, over a straight connection:
 * every acknowledged message is there, where its acknowledgement says; nothing is there that was not sent, and no more
 * often than it was sent; in each queue messages show first in the order in which they were sent; and the broker
 * lives, has let go of all connections, and holds no more memory than a bound.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KiB, MiB, seededRandom } from '../../src/base/index.ts'
import type { MessageInput } from '../../src/index.ts'
import { type BrokerDefect, startBrokerChild, within } from './broker-child.ts'
import { createTopics } from './broker-load.ts'
import { beHostile } from './hostile.ts'
import { idOf, messageOf, QUEUES } from './messages.ts'
import { type BadNetwork, type ProxyOptions, startProxy } from './proxy.ts'
import type { Scenario, Tally } from './scenario.ts'
import { Violation } from './violation.ts'
import { ANSWER, Wire, WireClosed } from './wire.ts'
import { drain, placeOf, send } from './wire-messages.ts'

const BODY = { bytesMax: 12 * KiB, bytesMin: 1 }
const MESSAGES_PER_QUEUE = 60
/** Then a client connects anew, and meets another fault. */
const MESSAGES_PER_CONNECTION = 8
const ATTEMPTS_MAX = 200
const ANSWER_MS_MAX = 20_000
const LET_GO_MS_MAX = 20_000
const MEMORY_BYTES_MAX = 400 * MiB
const RETRY_MS = 5

export const network: Scenario = {
  name: 'network',
  about: 'clients behind a network that cuts, resets, delays, doubles and crumbles; hostile bytes',
  cases: { short: 3, medium: 20, long: 300 },
  lanes: 2,
  run: (seed, directory) => useBadNetwork(seed, directory, {})
}

interface Sent {
  readonly message: MessageInput
  attempts: number
  place: { readonly queueOffset: number; readonly physicalOffset: number } | undefined
}

/** Defects that are planted in the network or in the broker. */
export interface Control {
  readonly requests?: ProxyOptions['requests']
  readonly defect?: BrokerDefect
}

export async function useBadNetwork(seed: number, directory: string, { requests, defect }: Control): Promise<Tally> {
  const random = seededRandom(seed)
  const flushDiskType = random.pick(['SYNC_FLUSH', 'ASYNC_FLUSH'])
  const config = { flushDiskType, varveHttp: '127.0.0.1:0' }
  const broker = await startBrokerChild(join(directory, 'store'), config, { defect })
  const straight = await Wire.open(broker.port)
  let proxy: BadNetwork | undefined
  try {
    await createTopics(straight)
    proxy = await startProxy({ target: broker.port, random: random.fork(), requests })
    const { port } = proxy
    const sent: Sent[][] = QUEUES.map(() => [])
    const clients = QUEUES.map((_, queue) => sendAll(port, seed, queue, sent[queue] as Sent[]))
    const [hostile] = await Promise.all([beHostile(broker.port, random.fork()), ...clients])
    await proxy.close()
    const copies = await checkQueues(straight, sent)
    await checkConnections(broker.http as string, 1)
    checkMemory(broker.pid)
    straight.close()
    await broker.stop()
    const { none: _, ...faults } = proxy.counts
    return { messages: QUEUES.length * MESSAGES_PER_QUEUE, copies, ...faults, hostile }
  } finally {
    straight.close()
    await proxy?.close()
    broker.signal('SIGKILL')
  }
}

async function sendAll(port: number, seed: number, queue: number, sent: Sent[]): Promise<void> {
  let wire: Wire | undefined
  for (let n = 0; n < MESSAGES_PER_QUEUE; n++) {
    if (n % MESSAGES_PER_CONNECTION === 0) wire?.close()
    const one: Sent = {
      message: messageOf(seed, n * QUEUES.length + queue, queue, BODY),
      attempts: 0,
      place: undefined
    }
    sent.push(one)
    while (one.place === undefined) {
      if (one.attempts >= ATTEMPTS_MAX) throw new Violation(`a message is not taken in ${ATTEMPTS_MAX} attempts`)
      try {
        if (wire === undefined || wire.isClosed) wire = await Wire.open(port)
        one.attempts++
        const answer = await within(ANSWER_MS_MAX, send(wire, one.message))
        if (answer?.code === ANSWER.success) one.place = placeOf(answer)
        else if (answer === undefined) wire.close() // As a client does that has waited long enough.
      } catch (error) {
        if (!(error instanceof WireClosed)) throw error
        await new Promise(resolve => setTimeout(resolve, RETRY_MS))
      }
    }
  }
  wire?.close()
}

/** Returns how many messages are there more than once. @throws Violation */
async function checkQueues(wire: Wire, sent: readonly (readonly Sent[])[]): Promise<number> {
  let copies = 0
  for (const [index, queue] of QUEUES.entries()) {
    const found = new Map<number, number>()
    const places = new Set<string>()
    let last = -1
    for (const [offset, message] of (await drain(wire, queue, 'readers')).entries()) {
      const where = `${queue.topic}/${queue.queueId} offset ${message.queueOffset}`
      if (message.queueOffset !== offset) throw new Violation(`${where}, where ${offset} comes next`)
      const id = idOf(message) ?? -1
      const one = sent[index]?.[(id - index) / QUEUES.length]
      if (one === undefined) throw new Violation(`${where}: a message that nobody sent`)
      if (Buffer.compare(message.body, one.message.body as Uint8Array) !== 0)
        throw new Violation(`${where}: another body`)
      if (!found.has(id) && id < last) throw new Violation(`${where}: message ${id} first shows behind message ${last}`)
      last = Math.max(last, id)
      found.set(id, (found.get(id) ?? 0) + 1)
      places.add(`${id} ${message.queueOffset} ${message.physicalOffset}`)
    }
    for (const { message, attempts, place } of sent[index] ?? []) {
      const id = idOf(message as { properties: Record<string, string> }) as number // Ours have one.
      const count = found.get(id) ?? 0
      if (count === 0) throw new Violation(`acknowledged and lost: message ${id}`)
      if (!places.has(`${id} ${place?.queueOffset} ${place?.physicalOffset}`)) {
        throw new Violation(`message ${id} is not where its acknowledgement says: ${JSON.stringify(place)}`)
      }
      // Each attempt may arrive, and once more over a connection that is carried twice.
      if (count > 2 * attempts) throw new Violation(`message ${id} is there ${count} times, sent ${attempts} times`)
      if (count > 1) copies++
    }
  }
  return copies
}

async function checkConnections(address: string, expected: number): Promise<void> {
  const untilMs = performance.now() + LET_GO_MS_MAX
  for (;;) {
    const text = await (await fetch(`http://${address}/metrics`)).text()
    const count = Number(text.match(/^varve_remoting_connections(?:\{[^}]*\})? (\d+)/m)?.[1])
    if (count === expected) return
    if (performance.now() > untilMs) throw new Violation(`${count} connections are open, ${expected} are in use`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

function checkMemory(pid: number): void {
  const resident = Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^RssAnon:\s+(\d+) kB/m)?.[1]) * KiB
  if (resident > MEMORY_BYTES_MAX) throw new Violation(`the broker holds ${Math.round(resident / MiB)} MiB`)
}
