/** The connections of a load: opened together, filled together, failing together. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { type Address, type AnswerSink, Connection } from './connection.ts'
import { loadFailure } from './failure.ts'
import type { Histogram } from './histogram.ts'
import type { Load } from './load.ts'
import type { Meter } from './meter.ts'
import type { SendShape } from './ready-requests.ts'
import { SendLane, type SendLaneOptions } from './send-lane.ts'

export interface Lanes<Lane> {
  readonly all: readonly Lane[]
  /** Rejects when one of them fails; never resolves. */
  readonly failed: Promise<never>
  close(): void
}

export async function openLanes<Lane extends AnswerSink>(
  address: Address,
  count: number,
  laneOf: (connection: Connection, lane: number) => Lane
): Promise<Lanes<Lane>> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(address)))
  let fail: (error: Error) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const all = connections.map((connection, index) => {
    const lane = laneOf(connection, index)
    connection.serve(lane, fail)
    return lane
  })
  const close = () => {
    for (const connection of connections) connection.close()
  }
  return { all, failed, close }
}

export function sendLanes(
  load: Load,
  meter: Meter,
  options: Pick<SendLaneOptions, 'numberOf' | 'isHeld'> = {},
  properties = ''
): Promise<Lanes<SendLane>> {
  const { bodyBytes, window, batchCount, targets } = load
  const shape: SendShape = { bodyBytes, window, batchCount, targets, properties }
  return openLanes(load.address, load.connections, (connection, lane) => {
    // One queue for each connection, and one message on its way: nothing can overtake another.
    const own = { ...shape, window: 1, targets: [targets[lane % targets.length]!] }
    return new SendLane(connection, meter, { shape: load.ordered ? own : shape, lane, ...options })
  })
}

export const acknowledgedBy = (lanes: readonly SendLane[]) => lanes.reduce((sum, lane) => sum + lane.acknowledged, 0)

export function sendFigures(lanes: readonly SendLane[]) {
  return { refused: lanes.reduce((sum, lane) => sum + lane.refused, 0) }
}

export async function whenSent(lanes: readonly SendLane[]): Promise<void> {
  for (const lane of lanes) lane.start()
  await Promise.all(lanes.map(lane => lane.idle()))
}

/** So often what is due is sent: as fine as timers are. */
const DUE_EVERY_MS = 1

/** `late` is how late this program itself was. */
export async function sendAtRate(
  { rate }: Load,
  lanes: readonly SendLane[],
  meter: Meter,
  late?: Histogram
): Promise<void> {
  if (!(rate > 0)) throw loadFailure('a fixed rate is a number of messages a second')
  const beganMs = systemClock.monotonicMs()
  for (let turn = 0, sent = 0; meter.mayBegin(1); turn++) {
    const dueMs = beganMs + turn * DUE_EVERY_MS
    while (systemClock.monotonicMs() < dueMs) await pause(Math.max(0, dueMs - systemClock.monotonicMs()))
    if (meter.counts) late?.recordMs(systemClock.monotonicMs() - dueMs)
    for (const until = Math.floor((turn + 1) * DUE_EVERY_MS * (rate / 1000)); sent < until; sent++) {
      if (!meter.mayBegin(1)) break
      lanes[sent % lanes.length]!.sendDue(dueMs) // Inside by the remainder.
      meter.begun++
    }
    for (const lane of lanes) lane.flush()
    if (!meter.mayBegin(1)) await Promise.all(lanes.map(lane => lane.idle())) // Some may have been refused.
  }
}
