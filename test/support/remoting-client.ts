/** A client of a broker in the fewest words: for tests of what stands around the protocol. */
import { silentLog, systemClock } from '../../src/base/index.ts'
import { connectRemoting, REQUEST, type RemotingAnswer, type RemotingConnection } from '../../src/protocol/index.ts'

const TIMEOUT_MS = 10_000

/** `address` as the command line prints it. */
export function connectTo(address: string): Promise<RemotingConnection> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/)
  return connectRemoting({ host, port: Number(port), connectTimeoutMs: TIMEOUT_MS, log: silentLog, clock: systemClock })
}

export function send(connection: RemotingConnection, topic: string, body: string): Promise<RemotingAnswer> {
  const fields = {
    producerGroup: 'p',
    topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId: 0,
    sysFlag: 0,
    bornTimestamp: systemClock.nowMs(),
    flag: 0,
    properties: '',
    reconsumeTimes: 0,
    unitMode: false,
    batch: false
  }
  return connection.call(REQUEST.SEND_MESSAGE, fields, { body: Buffer.from(body), timeoutMs: TIMEOUT_MS })
}

export const ask = (connection: RemotingConnection, code: number, fields: Record<string, string | number>) =>
  connection.call(code, fields, { timeoutMs: TIMEOUT_MS })
