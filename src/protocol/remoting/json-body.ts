/**
 * Bodies of requests and answers as JSON, in the dialect that clients of RocketMQ read and write.
 *
 * What is printed is compact, because the Go client takes routes and offset tables apart as text, with keys in order and
 * without members that have no value. A `Map` whose keys are objects is printed with objects as keys, which is what Java
 * expects of tables by queue, and cannot do without.
 *
 * Not here: which bodies there are (server, nameserver).
 */
import { type JavaJson, parseJavaJson } from '../../layout/index.ts'

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Lenient, as clients differ in what they quote. @throws VarveError JSON_INVALID */
export function parseWire(body: Uint8Array): JavaJson {
  return parseJavaJson(decoder.decode(body))
}

/** Numbers stay numbers, but for keys. */
export function printWire(value: unknown): Uint8Array {
  return encoder.encode(print(value))
}

function print(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${printKey(key)}:${print(item)}`).join(',')}}`
  const members = Object.entries(value).filter(([, member]) => member !== undefined && member !== null)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${print(member)}`).join(',')}}`
}

/** Every client takes a number in quotes as a key; not every one takes it without. */
function printKey(key: unknown): string {
  return typeof key === 'object' && key !== null ? print(key) : JSON.stringify(String(key))
}
