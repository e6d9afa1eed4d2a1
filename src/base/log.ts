/**
 * What Varve tells the operator: events with fields, one line each, as JSON for machines or in words for a terminal.
 *
 * An event is a constant text and what varies stands in fields, so that lines can be counted and searched. Whatever a
 * field holds, it cannot end its line or send control characters to a terminal.
 *
 * Not here: where lines go. The sink is handed in (the CLI gives stderr, a test an array); an embedded store is silent
 * unless its owner asks. Nothing is logged per message: progress is metrics.
 */
import { type Clock, systemClock } from './clock.ts'
import { VarveError } from './errors.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogValue = string | number | bigint | boolean | undefined | Error
/** Flat, and without the names that every line has already. */
export type LogFields = { readonly [name: string]: LogValue } & { at?: never; level?: never; event?: never }

export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** The same log, which adds these fields to each line. */
  with(fields: LogFields): Log
}

export interface LogOptions {
  /** Takes one whole line, without its end. */
  readonly sink: (line: string) => void
  /** Events below it are dropped before anything is formatted. Default 'info'. */
  readonly level?: LogLevel
  /** Default `jsonLine`. */
  readonly format?: LogFormat
  readonly clock?: Clock
  /** How many lines of one event are written within `intervalMs`; the next one that is written tells how many were not. */
  readonly repeats?: { readonly countMax: number; readonly intervalMs: number }
}

export interface LogEntry {
  readonly atMs: number
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

export type LogFormat = (entry: LogEntry) => string

export function openLog(options: LogOptions): Log {
  return logWith(options, {}, new Repeats(options))
}

export const silentLog: Log = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  with: () => silentLog
}

/** `{"at":"2026-01-31T12:00:00.000Z","level":"info","event":"store opened","tookMs":12}` */
export const jsonLine: LogFormat = ({ atMs, level, event, fields }) =>
  JSON.stringify({ at: new Date(atMs).toISOString(), level, event, ...fields }, (_name, value: LogValue) =>
    plain(value)
  )

/** `12:00:00.000 info  store opened tookMs=12`, the time in UTC as in the JSON form. */
export const readableLine: LogFormat = ({ atMs, level, event, fields }) => {
  const time = new Date(atMs).toISOString().slice(11, 23)
  const words = Object.entries(fields).filter(([, value]) => value !== undefined)
  return [time, level.padEnd(5), event, ...words.map(([name, value]) => `${name}=${readable(plain(value))}`)].join(' ')
}

function logWith(options: LogOptions, common: LogFields, repeats: Repeats): Log {
  const { sink, level = 'info', format = jsonLine, clock = systemClock } = options
  const lowest = LOG_LEVELS.indexOf(level)

  const writer = (level: LogLevel) => {
    if (LOG_LEVELS.indexOf(level) < lowest) return ignore
    return (event: string, fields: LogFields = {}) => {
      const omitted = repeats.admit(event)
      if (omitted === undefined) return
      const told = omitted === 0 ? {} : { omitted }
      sink(format({ atMs: clock.nowMs(), level, event, fields: { ...common, ...fields, ...told } }))
    }
  }
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    with: fields => logWith(options, { ...common, ...fields }, repeats)
  }
}

interface Repeated {
  sinceMs: number
  count: number
  omitted: number
}

/** Counts lines by their event, which is a constant text: the table stays as small as the program. */
class Repeats {
  readonly #options: LogOptions
  readonly #events = new Map<string, Repeated>()

  constructor(options: LogOptions) {
    this.#options = options
  }

  /** How many lines of this event were left out before this one; undefined if this one is to be left out too. */
  admit(event: string): number | undefined {
    const { repeats, clock = systemClock } = this.#options
    if (repeats === undefined) return 0
    const nowMs = clock.monotonicMs()
    const known = this.#events.get(event)
    if (known === undefined) {
      this.#events.set(event, { sinceMs: nowMs, count: 1, omitted: 0 })
      return 0
    }
    if (nowMs >= known.sinceMs + repeats.intervalMs) {
      known.sinceMs = nowMs
      known.count = 0
    }
    known.count++
    if (known.count > repeats.countMax) {
      known.omitted++
      return undefined
    }
    const { omitted } = known
    known.omitted = 0
    return omitted
  }
}

/** Values that JSON has; an error becomes one text with its causes, because the reader of a log needs the reason. */
function plain(value: LogValue): string | number | boolean | undefined {
  if (typeof value === 'bigint') return value.toString()
  return value instanceof Error ? textOf(value) : value
}

function textOf(error: Error): string {
  // Our own errors explain themselves; of any other the stack is the only clue.
  const text = error instanceof VarveError ? error.message : (error.stack ?? error.message)
  if (error.cause === undefined) return text
  return `${text}; cause: ${error.cause instanceof Error ? textOf(error.cause) : String(error.cause)}`
}

function readable(value: string | number | boolean | undefined): string {
  const text = String(value)
  if (/^[\w.:/@%+-]+$/.test(text)) return text
  // JSON escapes the controls below U+0020 only; a terminal obeys those from U+007F to U+009F as well.
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, escapeCharacter)
}

const escapeCharacter = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

function ignore(): void {
  // Below the level that was asked for.
}
