/**
 * Bodies as values, read leniently: members may be missing, of another type, or numbers written as texts.
 *
 * Not here: the dialect itself (protocol).
 */
import { parseWire, printWire } from '../protocol/index.ts'

export type WireJson = ReturnType<typeof parseWire>

/** @throws VarveError JSON_INVALID */
export const parseBody = (body: Uint8Array): WireJson => parseWire(body)

/** Maps are objects with their keys in order; undefined members are left out. */
export const printBody = (value: object): Uint8Array => printWire(value)

/** None of what is not an object. */
export function membersOf(json: WireJson | undefined): ReadonlyMap<string, WireJson> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? new Map(Object.entries(json)) : new Map()
}

/** Its members that are texts. */
export function textsOf(json: WireJson | undefined): [name: string, text: string][] {
  return [...membersOf(json)].flatMap(([name, value]) => {
    const text = textOf(value)
    return text === undefined ? [] : [[name, text] as [string, string]]
  })
}

export function textOf(json: WireJson | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined
}

export function integerOf(json: WireJson | undefined, otherwise: number): number {
  const number = typeof json === 'string' || typeof json === 'bigint' ? Number(json) : json
  return typeof number === 'number' && Number.isFinite(number) && json !== '' ? Math.trunc(number) : otherwise
}

/** Undefined of what is not a list. */
export function textsInList(json: WireJson | undefined): string[] | undefined {
  return Array.isArray(json) ? json.filter(element => typeof element === 'string') : undefined
}
