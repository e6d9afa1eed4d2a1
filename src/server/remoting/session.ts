/**
 * Session: what the broker keeps for one connection, and the broker's way back to the client at its other end.
 *
 * It is made when the connection is accepted and found again through the connection's `attachment`.
 */
import { assert } from '../../base/index.ts'
import type { ClientLink, PullRequest, SendDraft, TransactionQuestion } from '../../broker/index.ts'
import { emptyDraft, HALF_TOPIC } from '../../broker/index.ts'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../protocol/index.ts'
import type { OpenRequest } from './rpc-latency.ts'

export class Session implements ClientLink {
  readonly connection: RemotingConnection
  readonly address: string
  /** Reused for every message that the connection sends, and for every pull. */
  readonly draft: SendDraft
  readonly pull: PullRequest
  #open: Map<number, OpenRequest> | undefined

  constructor(connection: RemotingConnection) {
    this.connection = connection
    this.address = `${connection.remote.address}:${connection.remote.port}`
    this.draft = { ...emptyDraft(), bornHost: connection.remote }
    this.pull = {
      group: '',
      topic: '',
      queueId: 0,
      offset: 0,
      countMax: 0,
      sysFlag: 0,
      commitOffset: 0,
      suspendTimeoutMs: 0,
      expression: undefined,
      expressionType: undefined,
      subscriptionVersion: 0,
      link: this
    }
    connection.attachment = this
  }

  /** Requests that wait for their answer, by number (rpc-latency.ts). Most connections never have one. */
  get open(): Map<number, OpenRequest> {
    this.#open ??= new Map()
    return this.#open
  }

  get key(): object {
    return this
  }

  get isOpen(): boolean {
    return this.connection.isOpen
  }

  consumerIdsChanged(group: string): void {
    this.connection.notify(REQUEST.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup: group })
  }

  askTransaction(question: TransactionQuestion): void {
    const { halfOffset, physicalOffset, uniqueKey, messageId, record } = question
    const fields = {
      topic: HALF_TOPIC,
      tranStateTableOffset: halfOffset,
      commitLogOffset: physicalOffset,
      msgId: uniqueKey,
      transactionId: uniqueKey,
      offsetMsgId: messageId,
      bname: question.brokerName
    }
    this.connection.notify(REQUEST.CHECK_TRANSACTION_STATE, fields, record)
  }

  /** The answer that says no more than that it is done, or has a body alone. A oneway request gets none. */
  succeed({ opaque, isOneway }: { readonly opaque: number; readonly isOneway: boolean }, body?: Uint8Array): void {
    if (isOneway) return
    const writer = this.connection.begin(opaque, RESPONSE.SUCCESS)
    if (body === undefined) writer.end()
    else writer.endWith(body)
  }

  close(): void {
    this.connection.close('the client has been silent for too long')
  }
}

export function sessionOf({ attachment }: RemotingConnection): Session {
  assert(attachment instanceof Session, 'a session is made when its connection is accepted')
  return attachment
}
