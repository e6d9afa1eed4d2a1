import { expect, test } from 'vitest'
import { openDataPath } from '../../support/data-path.ts'
import { START_MS } from '../../support/settable-clock.ts' /** Timed messages whose files are damaged, or whose clock has been elsewhere. */

import { bodiesIn, countTo, sendTimed } from './delay-path.ts'

/** After it what was sent is in the wheel. */
const TAKEN_MS = 50

test('a clock that was in the year 2050 for a while holds nobody up, and what was sent since waits for its moment', async () => {
  await using path = await openDataPath()
  sendTimed(path, 'before', START_MS + 5000)
  await path.advance(20_000)
  path.clock.setWall(Date.UTC(2050, 0, 1))
  for (let seconds = 0; seconds < 5; seconds++) await path.advance(1000)
  path.clock.setWall(START_MS)
  await path.advance(1000)
  sendTimed(path, 'after', START_MS + 10_000)
  await path.advance(8_999)
  expect(await bodiesIn(path)).toEqual(['before'])
  await path.advance(1)
  expect(await bodiesIn(path)).toEqual(['before', 'after'])
}, 20_000)

test.each([
  { what: 'text', bytes: new TextEncoder().encode('{"table":{}}'.repeat(20)) },
  { what: 'ones', bytes: new Uint8Array(56).fill(0xff) },
  { what: 'a time between two seconds', bytes: Uint8Array.from([0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 1]) }
])('a checkpoint that holds $what says nothing: what waits comes all the same', async ({ bytes }) => {
  const path = await openDataPath()
  for (const i of countTo(20)) sendTimed(path, `${i}`, START_MS + 2000 + 137 * i)
  await path.advance(TAKEN_MS)
  await path[Symbol.asyncDispose]()
  const file = path.disk.open('/store/config/timercheck', 'write')
  file.write(bytes, 0)
  file.syncAll()
  file.close()
  await using next = await openDataPath({ disk: path.disk, clock: path.clock })
  for (let i = 0; i < 10; i++) await next.advance(500)
  expect((await bodiesIn(next)).map(Number)).toEqual(countTo(20))
})

test('counts that cannot be read begin anew, and keep no broker from starting', async () => {
  const path = await openDataPath()
  sendTimed(path, 'waits', START_MS + 5000)
  await path.advance(TAKEN_MS)
  await path[Symbol.asyncDispose]()
  path.disk.remove('/store/config/timermetrics.bak')
  const file = path.disk.open('/store/config/timermetrics', 'create')
  file.write(new TextEncoder().encode('{"timing'), 0)
  file.syncAll()
  file.close()
  await using next = await openDataPath({ disk: path.disk, clock: path.clock })
  for (let i = 0; i < 12; i++) await next.advance(500)
  expect(await bodiesIn(next)).toEqual(['waits'])
})
