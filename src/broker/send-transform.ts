/**
 * The one place where a message may become another before it is stored: half messages of transactions, delayed and
 * timed messages, messages that go to a dead-letter topic instead of a retry topic.
 *
 * Each is a kind of message with a transformation of its own; the kinds stand in one list, and the first that a message
 * is of decides alone.
 *
 * Not here: the kinds themselves (delay/, transaction/).
 */
import type { HostAddress } from '../model/index.ts'
import { WholeMessage } from '../store/index.ts'
import type { PropertyPass } from './properties.ts'
import type { SendDraft } from './send-draft.ts'

/** What will be stored; a transformation changes it. */
export interface OutgoingMessage {
  topic: string
  queueId: number
  body: Uint8Array
  properties: Uint8Array
  flag: number
  sysFlag: number
  bornAtMs: number
  bornHost: HostAddress
  reconsumeTimes: number
}

/** One to be filled, in the form that the store need not copy. */
export function newOutgoingMessage(bornHost: HostAddress): OutgoingMessage {
  return Object.assign(new WholeMessage(), { body: NO_BYTES, properties: NO_BYTES, bornAtMs: 0, bornHost })
}
const NO_BYTES = new Uint8Array(0)

/**
 * `properties` is what the message's own say, read and completed; the bytes in `message` are a view of it, to be taken
 * anew by a transformation that adds to them. Throws what the message is refused for.
 */
export type SendTransform = (message: OutgoingMessage, properties: PropertyPass, draft: SendDraft) => void

/** Messages that are stored as something else than what they came as. */
export interface SendKind {
  readonly isMeant: (properties: PropertyPass, draft: SendDraft) => boolean
  readonly transform: SendTransform
}

/** The transformation of the first kind that the message is of; any other message stays as it is. */
export function firstMeant(kinds: readonly SendKind[]): SendTransform {
  return (message, properties, draft) => {
    for (const kind of kinds) {
      if (!kind.isMeant(properties, draft)) continue
      kind.transform(message, properties, draft)
      return
    }
  }
}
