/** Short words for tests of delayed messages: sending, what has arrived, and machines that come up again. */
import type { SendDraft } from '../../../src/broker/index.ts'
import type { StoredMessage } from '../../../src/model/index.ts'
import {
  type DataPath,
  type DataPathOptions,
  type Drafting,
  draft,
  openDataPath,
  TOPIC
} from '../../support/data-path.ts'
import { readAll, textOf } from '../../support/store-fixtures.ts'

export function send({ sending }: DataPath, sent: SendDraft) {
  const outcome = sending.send(sent)
  if (outcome === undefined) throw new Error('there is no room')
  return outcome
}

export const sendDelayed = (path: DataPath, body: string, level: number, more: Drafting = {}) =>
  send(path, draft(body, { ...more, properties: { ...more.properties, DELAY: String(level) } }))

/** To be delivered at a moment. */
export const sendTimed = (path: DataPath, body: string, atMs: number, more: Drafting = {}) =>
  send(path, draft(body, { ...more, properties: { ...more.properties, TIMER_DELIVER_MS: String(atMs) } }))

export const messagesIn = ({ store }: DataPath, queue = { topic: TOPIC, queueId: 0 }): Promise<StoredMessage[]> =>
  readAll(store, queue)

export const bodiesIn = async (path: DataPath, queue?: { topic: string; queueId: number }): Promise<string[]> =>
  (await messagesIn(path, queue)).map(({ body }) => textOf(body))

export const textIn = ({ disk }: DataPath, file: string): string => textOf(bytesIn(disk, file))

export function bytesIn(disk: DataPath['disk'], path: string): Uint8Array {
  const bytes = new Uint8Array(disk.find(path)?.sizeBytes ?? 0)
  const file = disk.open(path, 'read')
  file.read(bytes, 0)
  file.close()
  return bytes
}

export function runRecurring({ delayed }: DataPath): void {
  for (const { run } of delayed.recurring) run()
}

/** As after the process was killed: nothing is closed, what was written is there. */
export const afterKill = (path: DataPath, options: DataPathOptions = {}): Promise<DataPath> =>
  openDataPath({ ...options, disk: path.disk.kill(), clock: path.clock })

/** Closed in good order and opened again. */
export async function afterRestart(path: DataPath, options: DataPathOptions = {}): Promise<DataPath> {
  await path[Symbol.asyncDispose]()
  return openDataPath({ ...options, disk: path.disk, clock: path.clock })
}

export const countTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)
