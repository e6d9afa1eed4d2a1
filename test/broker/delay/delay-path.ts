/** Short words for tests of delayed messages: sending, what has arrived, and machines that come up again. */
import type { SendDraft } from '../../../src/broker/index.ts'
import { SYS_FLAG } from '../../../src/layout/index.ts'
import type { StoredMessage } from '../../../src/model/index.ts'
import {
  BORN_HOST,
  type DataPath,
  type DataPathOptions,
  type Drafting,
  draft,
  openDataPath,
  STORE_HOST,
  TOPIC
} from '../../support/data-path.ts'
import { contentOf } from '../../support/file-content.ts'
import { readAll, textOf } from '../../support/store-fixtures.ts'

/** A message of which nothing is as it is by default, and what must be stored of it wherever it is delivered. */
export const RICH = {
  queueId: 1,
  flag: 7,
  sysFlag: SYS_FLAG.COMPRESSED | SYS_FLAG.COMPRESSION_LZ4,
  reconsumeTimes: 2,
  properties: { TAGS: 'a', KEYS: 'k', UNIQ_KEY: 'U', own: 'ü' }
} as const satisfies Drafting
export const RICH_STORED = {
  tag: 'a',
  keys: ['k'],
  flag: 7,
  sysFlag: SYS_FLAG.COMPRESSED | SYS_FLAG.COMPRESSION_LZ4,
  bornAtMs: 1_699_999_999_999,
  bornHost: BORN_HOST,
  storeHost: STORE_HOST,
  reconsumeTimes: 2
}

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

export const textIn = ({ disk }: DataPath, file: string): string => textOf(contentOf(disk, file))

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
