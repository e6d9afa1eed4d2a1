/** Messages as callers see them. */
export type { Appended, HostAddress, MessageInput, StoredMessage } from './message.ts'
