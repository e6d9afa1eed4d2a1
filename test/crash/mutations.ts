/** What can happen to a file while nobody looks: each is one way of damaging a file of a simulated disk, chosen by a seed. */
import { PAGE_BYTES, type Random } from '../../src/base/index.ts'
import type { Files } from '../../src/store/index.ts'
import { contentOf } from '../support/file-content.ts'

/** Bytes of a file whose content is no longer what was written; `until` may lie behind the end of the file. */
export interface Touched {
  readonly path: string
  readonly from: number
  readonly until: number
}

export const MUTATIONS = [
  'cut',
  'lengthened',
  'bits flipped',
  'page zeroed',
  'pages swapped',
  'overwritten',
  'emptied',
  'missing',
  'replaced by another',
  'swapped with another'
] as const
export type Mutation = (typeof MUTATIONS)[number]

const BITS_MAX = 8
const LENGTHENED_MAX = 3 * PAGE_BYTES
const ALL = Number.MAX_SAFE_INTEGER

/** `others`: files of the same kind that it may be exchanged with. */
export function mutate(
  files: Files,
  path: string,
  { mutation, others, random }: { mutation: Mutation; others: readonly string[]; random: Random }
): Touched[] {
  const bytes = contentOf(files, path)
  const whole = [{ path, from: 0, until: ALL }]
  switch (mutation) {
    case 'cut': {
      const left = random.below(bytes.length + 1)
      rewrite(files, path, bytes.subarray(0, left))
      return [{ path, from: left, until: ALL }]
    }
    case 'lengthened': {
      rewrite(files, path, Buffer.concat([bytes, random.bytes(1 + random.below(LENGTHENED_MAX))]))
      return [{ path, from: bytes.length, until: ALL }]
    }
    case 'bits flipped':
      return flipBits(files, path, bytes, random)
    case 'page zeroed': {
      const at = pageOf(bytes, random)
      const until = Math.min(at + PAGE_BYTES, bytes.length)
      rewrite(files, path, Buffer.from(bytes).fill(0, at, until))
      return [{ path, from: at, until }]
    }
    case 'pages swapped':
      return swapPages(files, path, bytes, random)
    case 'overwritten':
      rewrite(files, path, random.bytes(bytes.length))
      return whole
    case 'emptied':
      rewrite(files, path, bytes.subarray(0, 0))
      return whole
    case 'missing':
      files.remove(path)
      return whole
    case 'replaced by another': {
      rewrite(files, path, contentOf(files, random.pick(others)))
      return whole
    }
    case 'swapped with another': {
      const other = random.pick(others)
      const theirs = contentOf(files, other)
      rewrite(files, path, theirs)
      rewrite(files, other, bytes)
      return [...whole, { path: other, from: 0, until: ALL }]
    }
  }
}

function flipBits(files: Files, path: string, bytes: Uint8Array, random: Random): Touched[] {
  if (bytes.length === 0) return []
  const changed = Buffer.from(bytes)
  const touched: Touched[] = []
  for (let bits = random.between(1, BITS_MAX); bits > 0; bits--) {
    const at = random.below(bytes.length)
    changed[at] = (changed[at] as number) ^ (1 << random.below(8)) // Inside, by the choice.
    touched.push({ path, from: at, until: at + 1 })
  }
  rewrite(files, path, changed)
  return touched
}

function swapPages(files: Files, path: string, bytes: Uint8Array, random: Random): Touched[] {
  const [a, b] = [pageOf(bytes, random), pageOf(bytes, random)].sort((x, y) => x - y) as [number, number]
  const length = Math.min(PAGE_BYTES, bytes.length - b)
  if (a === b || length <= 0) return []
  const changed = Buffer.from(bytes)
  changed.set(bytes.subarray(b, b + length), a)
  changed.set(bytes.subarray(a, a + length), b)
  rewrite(files, path, changed)
  return [
    { path, from: a, until: a + length },
    { path, from: b, until: b + length }
  ]
}

const pageOf = (bytes: Uint8Array, random: Random): number =>
  PAGE_BYTES * random.below(Math.max(1, Math.ceil(bytes.length / PAGE_BYTES)))

/** Durably: the damage is on the disk. */
function rewrite(files: Files, path: string, bytes: Uint8Array): void {
  const file = files.open(path, 'write')
  try {
    file.setSize(0)
    file.allocate(0, Math.max(1, bytes.length), { keepSize: false })
    file.setSize(bytes.length)
    if (bytes.length > 0) file.write(bytes, 0)
    file.syncAll()
  } finally {
    file.close()
  }
}
