/**
 * The peers of the embedded store: packages of bench/package.json, installed into bench/node_modules on demand, so
 * that nobody who only builds Varve has to.
 *
 * Because they may be missing when the sources are compiled, what is used of them is declared here by hand.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { projectRoot } from '../project.ts'

const benchDirectory = join(projectRoot(), 'bench')

export type PeerName = 'lmdb' | 'better-sqlite3' | 'classic-level'

export function loadPeer<Peer>(name: PeerName): Peer {
  return createRequire(join(benchDirectory, 'package.json'))(name) as Peer
}

export function peerVersion(name: PeerName): string {
  const manifest = readFileSync(join(benchDirectory, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** Takes a minute where a peer has no binary for this platform and is compiled. */
export function installPeers(progress: (line: string) => void): void {
  // npm writes this file last, so it tells an installation that was cut short from a whole one.
  const installed = join(benchDirectory, 'node_modules', '.package-lock.json')
  if (existsSync(installed)) return
  progress('installing the peers into bench/node_modules (once)')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  execFileSync(npm, ['ci', '--no-audit', '--no-fund'], { cwd: benchDirectory, stdio: ['ignore', 'ignore', 'inherit'] })
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
    separateFlushed?: boolean
    mapSize?: number
    compression: false
  }): LmdbDatabase
}

export interface LmdbDatabase {
  put(key: number, value: Uint8Array): Promise<boolean> & { flushed?: Promise<unknown> }
  putSync(key: number, value: Uint8Array, options?: { append?: boolean }): boolean
  transactionSync(work: () => void): void
  get(key: number): Uint8Array | undefined
  getCount(): number
  getRange(options: { start?: number; end?: number; snapshot?: boolean }): Iterable<{ key: number; value: Uint8Array }>
  readonly flushed: Promise<unknown>
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
