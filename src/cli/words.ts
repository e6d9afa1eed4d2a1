/** Numbers in words for people: sizes, counts, rates, times. Machines get the numbers themselves, as JSON. */
import { GiB, KiB, MiB } from '../base/index.ts'

export function bytesInWords(bytes: number): string {
  if (bytes >= GiB) return `${(bytes / GiB).toFixed(2)} GiB`
  if (bytes >= MiB) return `${(bytes / MiB).toFixed(1)} MiB`
  if (bytes >= KiB) return `${(bytes / KiB).toFixed(1)} KiB`
  return `${bytes} B`
}

/** `1,234,567` */
export const countInWords = (count: number): string => Math.round(count).toLocaleString('en-US')

/** `1 record`, `2 records`. */
export const counted = (count: number, noun: string): string =>
  `${countInWords(count)} ${count === 1 ? noun : `${noun}s`}`

export function durationInWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

export const rateInWords = (bytes: number, ms: number): string => `${bytesInWords((bytes / Math.max(ms, 1)) * 1000)}/s`

/** Local time; `-` for 0, which files have where nothing was ever stored. */
export function timeInWords(ms: number): string {
  if (ms <= 0) return '-'
  const time = new Date(ms)
  return new Date(ms - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace('T', ' ')
}

/** Text of a stranger: what could end the line or steer a terminal is escaped. */
export const safeText = (text: string): string =>
  text.replace(/\p{Cc}|[\u2028\u2029]/gu, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Long names keep both ends, as their start and their end tell them apart. */
export function shortened(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text
  const kept = lengthMax - 1
  return `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(text.length - Math.floor(kept / 2))}`
}
