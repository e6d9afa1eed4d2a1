/**
 * How a byte layout is written down: a list of fields, once. Positions, reading, writing and the table of
 * docs/format.md all come from that list, so they cannot disagree.
 *
 * Every number on disk is big-endian, two's complement. Hot loops take positions from `at` and use the view directly;
 * everything else calls `read` and `write`.
 *
 * Not here: what is not fixed in place (record.ts walks those parts), and any particular layout.
 */

export interface Field {
  readonly type: string
  readonly sizeBytes: number
  readonly meaning: string
  readonly get: (view: DataView, at: number) => number
  readonly set: (view: DataView, at: number, value: number) => void
}

/**
 * 64 bits on disk, a plain number here. Exact within ±2^53, which covers offsets, times and hashes. Beyond that (only
 * addresses of the extension file, see consume-queue-entry.ts) it is the nearest double, still good for comparing.
 */
export function getInt53(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)
}

/** Exact within ±2^53. */
export function setInt53(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 2 ** 32))
  view.setInt32(at + 4, value) // Keeps the value modulo 2^32, which is the low half, also of a negative number.
}

export const int8 = (meaning: string): Field => ({
  type: 'int8',
  sizeBytes: 1,
  meaning,
  get: (view, at) => view.getInt8(at),
  set: (view, at, value) => view.setInt8(at, value)
})

export const int16 = (meaning: string): Field => ({
  type: 'int16',
  sizeBytes: 2,
  meaning,
  get: (view, at) => view.getInt16(at),
  set: (view, at, value) => view.setInt16(at, value)
})

export const int32 = (meaning: string): Field => ({
  type: 'int32',
  sizeBytes: 4,
  meaning,
  get: (view, at) => view.getInt32(at),
  set: (view, at, value) => view.setInt32(at, value)
})

export const int53 = (meaning: string): Field => ({
  type: 'int64',
  sizeBytes: 8,
  meaning,
  get: getInt53,
  set: setInt53
})

export interface Layout<Name extends string> {
  readonly sizeBytes: number
  readonly at: Readonly<Record<Name, number>>
  readonly names: readonly Name[]
  read(view: DataView, base: number): Record<Name, number>
  write(view: DataView, base: number, values: Readonly<Record<Name, number>>): void
  /** Rows of a Markdown table: position, type, name, meaning. Positions start at `from`, and `after` follows them. */
  rows(from?: number, after?: string): string[]
}

export function layout<Name extends string>(fields: Record<Name, Field>): Layout<Name> {
  const names = Object.keys(fields) as Name[] // The keys are exactly `Name`: no other object is ever passed.
  const at = {} as Record<Name, number>
  let sizeBytes = 0
  for (const name of names) {
    at[name] = sizeBytes
    sizeBytes += fields[name].sizeBytes
  }

  return {
    sizeBytes,
    at,
    names,
    read: (view, base) => {
      const values = {} as Record<Name, number>
      for (const name of names) values[name] = fields[name].get(view, base + at[name])
      return values
    },
    write: (view, base, values) => {
      for (const name of names) fields[name].set(view, base + at[name], values[name])
    },
    rows: (from = 0, after = '') =>
      names.map(name => {
        const { type, meaning } = fields[name]
        return `| ${from + at[name]}${after} | ${type} | \`${name}\` | ${meaning} |`
      })
  }
}
