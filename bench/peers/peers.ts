/**
 * The peers of the embedded store: packages of bench/package.json, installed into bench/node_modules on demand, so
 * that nobody who only builds Varve has to.
 *
 * Because they may be missing when the sources are compiled, what is used of them is declared here by hand.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { projectRoot } from '../project.ts'

export const benchDirectory = join(projectRoot(), 'bench')

export type PeerName = 'lmdb' | 'better-sqlite3' | 'classic-level'

export function loadPeer<Peer>(name: PeerName): Peer {
  return createRequire(join(benchDirectory, 'package.json'))(name) as Peer
}

export function peerVersion(name: PeerName): string {
  const manifest = readFileSync(join(benchDirectory, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

export interface Lmdb {
  open(options: {
    path: string
    encoding: 'binary'
    keyEncoding: 'uint32'
    noSync?: boolean
    noMemInit?: boolean
    useWritemap?: boolean
    overlappingSync?: boolean
    mapSize?: number
    compression: false
  }): LmdbDatabase
}

export interface LmdbDatabase {
  put(key: number, value: Uint8Array): Promise<boolean>
  putSync(key: number, value: Uint8Array, options?: { append?: boolean }): boolean
  transactionSync(work: () => void): void
  getCount(): number
  getRange(options: { start?: number; end?: number; snapshot?: boolean }): Iterable<{ key: number; value: Uint8Array }>
  close(): Promise<void>
}

export type Sqlite = new (
  path: string
) => {
  pragma(text: string): unknown
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  transaction(work: () => void): () => void
  close(): void
}

export interface SqliteStatement {
  run(...values: unknown[]): { changes: number }
  get(...values: unknown[]): Record<string, unknown> | undefined
  iterate(...values: unknown[]): IterableIterator<Record<string, unknown>>
}

export interface Level {
  ClassicLevel: new (
    directory: string,
    options: {
      keyEncoding: 'buffer'
      valueEncoding: 'buffer'
      compression: boolean
      writeBufferSize: number
      cacheSize: number
    }
  ) => LevelDatabase
}

export interface LevelDatabase {
  open(): Promise<void>
  batch(
    operations: readonly { type: 'put'; key: Uint8Array; value: Uint8Array }[],
    options: { sync: boolean }
  ): Promise<void>
  put(key: Uint8Array, value: Uint8Array, options: { sync: boolean }): Promise<void>
  iterator(options: { highWaterMarkBytes?: number; limit?: number }): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>
    close(): Promise<void>
  }
  close(): Promise<void>
}
