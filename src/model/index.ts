export type { Appended, HostAddress, MessageInput, StoredMessage } from './message.ts'
