/**
 * Terminal: how verbs speak. Results go to stdout, in words or as JSON; everything else goes to stderr.
 *
 * Not here: what is said (one file per verb), the streams of the process (main.ts).
 */
import type { Clock } from '../base/index.ts'

/** The numbers are the exit statuses of the process. */
export const EXIT = { ok: 0, failure: 1, usage: 2, damage: 3 } as const
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT]

export interface Output {
  readonly isTerminal: boolean
  /** Resolves when more may be written: a slow reader slows the writer down. */
  write(text: string): Promise<void>
}

/** What a verb is handed: its streams, its clock, and how it learns that it is to stop. */
export interface CliWorld {
  readonly stdout: Output
  readonly stderr: Output
  readonly clock: Clock
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly interrupted: AbortSignal
  /** Tells the status with which the process is to end. */
  exit(status: ExitStatus): void
}

export async function printJson(world: CliWorld, value: unknown): Promise<void> {
  await world.stdout.write(`${JSON.stringify(value, plainValue)}\n`)
}

/** 64-bit numbers as text, bytes as base64: JSON has neither. */
function plainValue(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}

export async function printLines(world: CliWorld, lines: readonly string[]): Promise<void> {
  await world.stdout.write(lines.map(line => `${line}\n`).join(''))
}

/** Columns side by side, numbers to the right. The first row is the head. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => String(row[column] ?? '').length)))
  const isNumber = widths.map((_, column) =>
    rows.slice(1).every(row => /^[\d,.]*( [KMGT]?i?B)?$/.test(String(row[column])))
  )
  return rows.map(row =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return isNumber[column] ? String(cell).padStart(width) : String(cell).padEnd(width)
      })
      .join('  ')
      .trimEnd()
  )
}

/** `name  value`, the values below each other. */
export function facts(pairs: readonly (readonly [name: string, value: string | number])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
}

/** One line on stderr that is written over again and again; only where somebody watches, or asked for it. */
export class ProgressLine {
  readonly #output: Output
  readonly #clock: Clock
  readonly #on: boolean
  #writtenMs = Number.NEGATIVE_INFINITY
  #width = 0

  constructor({ stderr, clock }: Pick<CliWorld, 'stderr' | 'clock'>, { always = false }: { always?: boolean } = {}) {
    this.#output = stderr
    this.#clock = clock
    this.#on = always || stderr.isTerminal
  }

  show(text: string, { force = false }: { force?: boolean } = {}): void {
    const nowMs = this.#clock.monotonicMs()
    if (!this.#on || (!force && nowMs < this.#writtenMs + INTERVAL_MS)) return
    this.#writtenMs = nowMs
    if (this.#output.isTerminal) void this.#output.write(`\r${text.padEnd(this.#width)}`)
    else void this.#output.write(`${text}\n`)
    this.#width = text.length
  }

  /** Clears the line, so that what comes next begins at its start. */
  end(): void {
    if (this.#width > 0 && this.#output.isTerminal) void this.#output.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}

const INTERVAL_MS = 200
