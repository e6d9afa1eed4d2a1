/** What a request to store a message says in its header, filled from either of the two sets of names. */

/** The part of a send that the wire knows. The caller owns the object and may reuse it. */
export interface SendFields {
  producerGroup: string
  topic: string
  defaultTopic: string
  defaultTopicQueueNums: number
  /** Below 0 the broker chooses. */
  queueId: number
  sysFlag: number
  bornAtMs: number
  flag: number
  /** Encoded properties; a view that is valid as long as the request. */
  properties: Uint8Array
  reconsumeTimes: number
  /** -1 if absent. */
  maxReconsumeTimes: number
  isBatch: boolean
  /** As `properties`. */
  body: Uint8Array
  clientVersion: number
}
