/** The connection of a client, as the broker sees it, whatever the protocol. */

export interface ClientLink {
  /** The same object for the life of the connection; another connection has another. */
  readonly key: object
  /** `address:port` of the client. */
  readonly address: string
  readonly isOpen: boolean
  /** Tells the client that members of a group came or went, so that it shares the queues anew. Must not throw. */
  consumerIdsChanged(group: string): void
  close(): void
}
