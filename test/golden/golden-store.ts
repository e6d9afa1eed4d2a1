/** The stores that Apache RocketMQ made (README.md), unpacked into memory, and its own listing of what they hold. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

export type GoldenCase = 'plain' | 'checksum'

export interface ListedMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly flag: number
  readonly sysFlag: number
  readonly bornAtMs: number
  readonly bornHost: ListedHost
  readonly storedAtMs: number
  readonly storeHost: ListedHost
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly bodyChecksum: number
  readonly bodyBytes: number
  readonly bodySha256: string
  readonly tags?: string
  readonly keys?: string
  readonly properties: Readonly<Record<string, string>>
  readonly messageId: string
}

export interface ListedHost {
  readonly addressHex: string
  readonly port: number
}

export interface ListedQueue {
  readonly topic: string
  readonly queueId: number
  readonly firstOffset: number
  readonly maxOffset: number
  readonly physicalOffsets: readonly number[]
}

export interface Listing {
  readonly segmentBytes: number
  readonly queueFileBytes: number
  readonly indexSlots: number
  readonly indexItems: number
  readonly recordChecksum: boolean
  readonly messages: readonly ListedMessage[]
  readonly queues: readonly ListedQueue[]
  readonly keys: readonly {
    readonly topic: string
    readonly key: string
    readonly physicalOffsets: readonly number[]
  }[]
}

export interface GoldenStore {
  readonly listing: Listing
  /** Bytes by path within the store directory, sorted by path. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

const DATA = join(fileURLToPath(import.meta.url), '..', 'data')

export function goldenStore(name: GoldenCase): GoldenStore {
  const root = join(DATA, name)
  const files = new Map<string, Uint8Array>()
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.gz'))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  for (const path of paths) {
    files.set(relative(root, path).slice(0, -'.gz'.length), new Uint8Array(gunzipSync(readFileSync(path))))
  }
  return { listing: JSON.parse(readFileSync(join(root, 'listing.json'), 'utf8')) as Listing, files }
}

/** A file of config/ as text, as the broker's own classes wrote it. */
export function goldenJson(name: string): string {
  return readFileSync(join(DATA, 'json', name), 'utf8')
}

/** A file of `config/` as the managers of a broker of Apache RocketMQ saved it, or the `listing.jsonl` of what they hold. */
export function goldenConfig(name: string): string {
  return readFileSync(join(DATA, 'config', name), 'utf8')
}

/** Every key of a `broker.conf` of Apache RocketMQ, with its default. */
export function goldenKeys(): string {
  return readFileSync(join(DATA, 'keys.properties'), 'utf8')
}

/** Files whose path starts with `folder/`, by the rest of their path. */
export function filesIn({ files }: GoldenStore, folder: string): Map<string, Uint8Array> {
  const prefix = `${folder}/`
  return new Map(
    [...files].filter(([path]) => path.startsWith(prefix)).map(([path, bytes]) => [path.slice(prefix.length), bytes])
  )
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
