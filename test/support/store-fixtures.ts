/**
 * What the tests of the store share: small stores in fresh directories, the ways in which a store can reach its
 * files, and short words for appending and reading.
 *
 * Segments are the smallest allowed, so that a few dozen messages cross the end of one; queue files and the index are
 * so small that they are left behind as well.
 *
 * Not here: the simulated disk (simulated-disk.ts), calls that fail (faulty-files.ts).
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { KiB, VarveError } from '../../src/base/index.ts'
import type { MessageInput, QueueName, Store, StoredMessage, StoreOptions } from '../../src/index.ts'
import { openStore } from '../../src/index.ts'
import type { Files, MapperKind } from '../../src/store/files.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export const SEGMENT_BYTES = 64 * KiB
export const SMALL = { segmentBytes: SEGMENT_BYTES, queueFileEntries: 16, indexSlots: 16, indexItems: 64 } as const

export const QUEUE: QueueName = { topic: 'orders', queueId: 0 }

/** Empty, and removed after the test with all that it holds. */
export function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'varve-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** mmap-io is bound to one version of Node: where its binary is not there, the tables are shorter. */
const mmapIoIsBuilt = existsSync(
  fileURLToPath(
    new URL(
      `../../node_modules/mmap-io/build/binding/Release/node-v${process.versions.modules}-${process.platform}-${process.arch}/mmap_io.node`,
      import.meta.url
    )
  )
)
export const mappers: readonly MapperKind[] = mmapIoIsBuilt ? ['native', 'mmap-io', 'plain'] : ['native', 'plain']

/** One way in which the engine can run: how files are reached, and in which threads. */
export interface Way {
  readonly way: string
  readonly threads: 'none' | 'workers'
  /** Options for a store of its own, in a directory of its own. */
  readonly place: () => StoreOptions
}

export const ways: readonly Way[] = [
  ...mappers.flatMap(mapper =>
    (['none', 'workers'] as const).map(threads => ({
      way: `${mapper} files, threads: ${threads}`,
      threads,
      place: (): StoreOptions => ({ ...SMALL, directory: freshDirectory(), mapper, threads })
    }))
  ),
  ...(['native', 'plain'] as const).map(mapper => ({
    way: `a simulated disk, ${mapper === 'plain' ? 'not mapped' : 'mapped'}`,
    threads: 'none' as const,
    place: (): StoreOptions => simulated(new SimulatedDisk({ mapper }))
  }))
]

export function simulated(files: Files): StoreOptions {
  return { ...SMALL, directory: '/store', threads: 'none', files }
}

/** A small store in the calling thread; what the test is about stands in `options`. */
export function openSmall(options: Partial<StoreOptions> = {}): Promise<Store> {
  return openStore({ ...SMALL, directory: options.directory ?? freshDirectory(), threads: 'none', ...options })
}

export function message(body: string | Uint8Array, more: Partial<MessageInput> = {}): MessageInput {
  return { ...QUEUE, body, ...more }
}

/** Bodies `m0`, `m1`, … padded so that about `perSegment` of them fill a segment. */
export function bodyOf(index: number, perSegment = 40): string {
  return `m${index} `.padEnd(SEGMENT_BYTES / perSegment - 120, '.')
}

/** The start of a body that tells which one it is. */
export const nameOf = ({ body }: { body: Uint8Array }): string => textOf(body).split(' ')[0] as string // There is one always.

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Appends `count` messages and returns their names. */
export function fill(store: Store, count: number, { from = 0, queue = QUEUE, perSegment = 40 } = {}): string[] {
  return Array.from({ length: count }, (_, i) => {
    store.append(message(bodyOf(from + i, perSegment), { ...queue, keys: `k${from + i}` }))
    return `m${from + i}`
  })
}

/** Every message of a queue, read in as many calls as it takes. @throws the first damage */
export async function readAll(store: Store, queue: QueueName = QUEUE, countMax = 32): Promise<StoredMessage[]> {
  const all: StoredMessage[] = []
  for (let offset: number = store.minOffset(queue); offset < store.maxOffset(queue); ) {
    const { messages, nextOffset, damaged } = await store.read({ ...queue, offset, countMax })
    if (damaged[0] !== undefined) throw damaged[0]
    if (nextOffset <= offset) throw new Error(`reading stands still at ${offset}`)
    all.push(...messages)
    offset = nextOffset
  }
  return all
}

export async function namesIn(store: Store, queue: QueueName = QUEUE): Promise<string[]> {
  return (await readAll(store, queue)).map(nameOf)
}

/** What a call throws or a promise rejects with, if that is a VarveError; anything else is a defect and passes through. */
export async function errorOf(call: () => unknown): Promise<VarveError | undefined> {
  try {
    await call()
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
  return undefined
}

/** The directory as it would be found if the process died now. */
export function copyOf(directory: string): string {
  const copy = join(freshDirectory(), 'copy')
  cpSync(directory, copy, { recursive: true, preserveTimestamps: true })
  return copy
}

/** Bytes of every file below `directory/folder`, by path. */
export function filesBelow(directory: string, folder: string): Map<string, Buffer> {
  const root = join(directory, folder)
  if (!existsSync(root)) return new Map()
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  return new Map(paths.map(path => [relative(root, path), readFileSync(path)]))
}

/** Changes bytes of a file behind the back of whoever has it open. */
export function patch(path: string, at: number, change: (bytes: Buffer) => void, count = 1): void {
  const bytes = readFileSync(path)
  change(bytes.subarray(at, at + count))
  writeFileSync(path, bytes)
}
