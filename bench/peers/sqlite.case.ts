/** SQLite through better-sqlite3: one commit a message, on disk (WAL, `synchronous=FULL`), or a table read from end to end. */

import { join } from 'node:path'
import {
  bodies,
  type CaseResult,
  type Extent,
  figuresOf,
  HASHED_COUNT,
  hashOf,
  measured,
  streamLoad
} from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { startSum } from '../store/read-sum.ts'
import { loadPeer, peerVersion, type Sqlite } from './peers.ts'

export interface SqliteSettings {
  readonly directory: string
  readonly mode: 'single' | 'read'
  readonly extent: Extent
  readonly bodyBytes: number
}

const FILL_BATCH = 1000

await runCase<SqliteSettings>(async ({ directory, mode, extent, bodyBytes }): Promise<CaseResult> => {
  const database = new (loadPeer<Sqlite>('better-sqlite3'))(join(directory, 'data.sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${mode === 'single' ? 'FULL' : 'OFF'}`)
  database.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, body BLOB NOT NULL)')
  const insert = database.prepare('INSERT INTO message (id, body) VALUES (?, ?)')
  const body = bodies(bodyBytes)
  const bodyOf = (index: number) => body[index & (body.length - 1)]! // Inside by the mask.
  const { version } = database.prepare('SELECT sqlite_version() AS version').get() as { version: string }
  const settings = {
    version: `${version}, better-sqlite3 ${peerVersion('better-sqlite3')}`,
    mode,
    bodyBytes,
    journal: 'WAL'
  }

  if (mode === 'read') {
    for (let from = 0; from < (extent.count ?? 0); from += FILL_BATCH) {
      const until = Math.min(extent.count ?? 0, from + FILL_BATCH)
      database.transaction(() => {
        for (let index = from; index < until; index++) insert.run(index, bodyOf(index))
      })()
    }
    const select = database.prepare('SELECT body FROM message ORDER BY id')
    const walk = () => {
      const sum = startSum()
      for (const row of select.iterate()) sum.addBody(row.body as Uint8Array)
      return sum.end()
    }
    walk()
    const { result, seconds, cpuUs } = await measured(walk)
    database.close()
    return { messages: result.count, seconds, cpuUs, work: result, settings, details: {} }
  }

  const load = await streamLoad({
    extent,
    perCall: 1,
    timeEach: true,
    write: index => insert.run(index, bodyOf(index)).changes === 1
  })
  const { count } = database.prepare('SELECT count(*) AS count FROM message').get() as { count: number }
  if (count !== load.all) throw new Error(`${load.all} were inserted, the table holds ${count}`)
  const first = database.prepare('SELECT body FROM message ORDER BY id LIMIT ?').iterate(HASHED_COUNT)
  const hash = hashOf([...first].map(row => row.body as Uint8Array))
  database.close()
  return {
    ...figuresOf(load),
    work: { count: load.messages, hash },
    settings: { ...settings, synchronous: 'FULL' },
    details: {}
  }
})
