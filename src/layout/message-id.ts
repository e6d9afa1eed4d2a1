/**
 * Offset message ids: the store host and the position of the record, as upper-case hexadecimal. 32 digits for an IPv4
 * host, 56 for IPv6. Whoever holds one can ask that host for the message.
 *
 * Not here: the ids that producers make (UNIQ_KEY); to a store they are just a key.
 */
import { VarveError } from '../base/index.ts'
import { type Host, readHost } from './hosts.ts'
import { getInt53, setInt53 } from './layout.ts'
import { HOST_BYTES_V4, HOST_BYTES_V6 } from './record.ts'

const OFFSET_BYTES = 8

/** `hostBytes` as in the record: 8 or 20 bytes. */
export function encodeMessageId(hostBytes: Uint8Array, physicalOffset: number): string {
  const bytes = Buffer.alloc(hostBytes.length + OFFSET_BYTES)
  bytes.set(hostBytes)
  setInt53(viewOf(bytes), hostBytes.length, physicalOffset)
  return bytes.toString('hex').toUpperCase()
}

/** Takes lower case as well, for people copy ids by hand. @throws VarveError MESSAGE_ID_INVALID */
export function decodeMessageId(id: string): { host: Host; physicalOffset: number } {
  const hostBytes = id.length / 2 - OFFSET_BYTES
  if ((hostBytes !== HOST_BYTES_V4 && hostBytes !== HOST_BYTES_V6) || !/^[\da-f]+$/i.test(id)) {
    throw new VarveError('MESSAGE_ID_INVALID', { id })
  }
  const view = viewOf(Buffer.from(id, 'hex'))
  const physicalOffset = getInt53(view, hostBytes)
  if (!Number.isSafeInteger(physicalOffset) || physicalOffset < 0) throw new VarveError('MESSAGE_ID_INVALID', { id })
  return { host: readHost(view, 0, hostBytes), physicalOffset }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
