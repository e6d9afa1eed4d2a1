/** The connection of a client, as the broker sees it, whatever the protocol. */
import type { TransactionQuestion } from './transactions/check-question.ts'

export interface ClientLink {
  /** The same object for the life of the connection; another connection has another. */
  readonly key: object
  /** `address:port` of the client. */
  readonly address: string
  readonly isOpen: boolean
  /** Tells the client that members of a group came or went, so that it shares the queues anew. Must not throw. */
  consumerIdsChanged(group: string): void
  /** Asks a producer what becomes of a transaction; the answer, if there is one, comes as a request. Must not throw. */
  askTransaction(question: TransactionQuestion): void
  close(): void
}
