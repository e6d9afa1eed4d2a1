/**
 * Host addresses: text to bytes and back. On disk an address takes 4 (IPv4) or 16 (IPv6) bytes and the port 4.
 *
 * An IPv4 address in IPv6 form (`::ffff:10.0.0.1`, as sockets that listen on both report it) is stored as IPv4, as
 * Java does. A zone (`%eth0`) has no place on disk and is dropped.
 */
import { isIP } from 'node:net'
import { assert, VarveError } from '../base/index.ts'
import { HOST_BYTES_V4, HOST_BYTES_V6 } from './record.ts'

export interface Host {
  readonly address: string
  readonly port: number
}

const PORT_MAX = 0xffff
const PORT_BYTES = 4

/** 8 or 20 bytes. @throws VarveError MESSAGE_INVALID for a name or a port that is none */
export function hostToBytes({ address, port }: Host): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw new VarveError('MESSAGE_INVALID', { field: 'port', value: port, min: 0, max: PORT_MAX })
  }
  const addressBytes = addressToBytes(address)
  const bytes = new Uint8Array(addressBytes.length + PORT_BYTES)
  bytes.set(addressBytes)
  bytes[bytes.length - 2] = port >> 8
  bytes[bytes.length - 1] = port
  return bytes
}

/** Reads `sizeBytes` (8 or 20) bytes at `at`. */
export function readHost(view: DataView, at: number, sizeBytes: number): Host {
  assert(sizeBytes === HOST_BYTES_V4 || sizeBytes === HOST_BYTES_V6, 'a host has 8 or 20 bytes')
  const address = sizeBytes === HOST_BYTES_V4 ? ipv4Text(view, at) : ipv6Text(view, at)
  return { address, port: view.getInt32(at + sizeBytes - PORT_BYTES) }
}

function addressToBytes(address: string): Uint8Array {
  switch (isIP(address)) {
    case 4:
      return Uint8Array.from(address.split('.'), Number)
    case 6:
      return ipv6ToBytes(address)
    default:
      throw new VarveError('MESSAGE_INVALID', { field: 'address', value: address, expected: 'an IPv4 or IPv6 address' })
  }
}

/** `address` has been checked: every part is there and has its form. */
function ipv6ToBytes(address: string): Uint8Array {
  const text = address
    .replace(/%.*$/, '')
    .replace(/[\d.]+$/, tail => (tail.includes('.') ? dottedToGroups(tail) : tail))
  const [left = '', right] = text.split('::')
  const head = groupsOf(left)
  const tail = right === undefined ? [] : groupsOf(right)
  const groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  const bytes = Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]))
  return isMapped(groups) ? bytes.slice(12) : bytes
}

function dottedToGroups(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}

function isMapped(groups: readonly number[]): boolean {
  return groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
}

function ipv4Text(view: DataView, at: number): string {
  return `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}`
}

/** The short form: lower case, and the longest run of two or more zero groups (the first of them) left out. */
function ipv6Text(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, group) => view.getUint16(at + 2 * group))
  let runFrom = -1
  let runLength = 1
  for (let from = 0; from < 8; from++) {
    let length = 0
    while (groups[from + length] === 0) length++
    if (length > runLength) {
      runFrom = from
      runLength = length
    }
  }
  const hex = groups.map(group => group.toString(16))
  if (runFrom === -1) return hex.join(':')
  return `${hex.slice(0, runFrom).join(':')}::${hex.slice(runFrom + runLength).join(':')}`
}
