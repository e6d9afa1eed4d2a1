/**
 * Members of an object in a file of `config/` or in the body of a request, read leniently as Java's reader does: a number
 * may come as text, an unknown member is passed over, a missing one has its default.
 */
import type { JavaJson } from '../layout/index.ts'

export type JsonObject = { readonly [key: string]: JavaJson }

export function objectOf(value: JavaJson | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

export function listOf(value: JavaJson | undefined): readonly JavaJson[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: JavaJson | undefined): string | undefined
export function textOf(value: JavaJson | undefined, otherwise: string): string
export function textOf(value: JavaJson | undefined, otherwise?: string): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
    ? String(value)
    : otherwise
}

/** An integer that a number holds exactly; one beyond that is brought to the nearest that it does. */
export function integerOf(value: JavaJson | undefined, otherwise: number): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'bigint') {
    return number > 0n ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER
  }
  if (typeof number !== 'number' || Number.isNaN(number)) return otherwise
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(Number.MIN_SAFE_INTEGER, Math.trunc(number)))
}

export function booleanOf(value: JavaJson | undefined, otherwise: boolean): boolean {
  if (typeof value === 'boolean') return value
  return typeof value === 'string' ? value.toLowerCase() === 'true' : otherwise
}

/** Of an object whose members are texts; members that are not are left out. */
export function textsOf(value: JavaJson | undefined): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [key, member] of Object.entries(objectOf(value) ?? {})) {
    const text = textOf(member)
    if (text !== undefined) texts[key] = text
  }
  return texts
}
