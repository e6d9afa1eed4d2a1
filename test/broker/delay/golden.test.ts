/** What Apache RocketMQ left waiting in its golden store: delivered by us, and its timer's files made by us, byte for byte. */
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hourMs } from '../../../src/base/index.ts'
import { TIMER_LOG_UNIT } from '../../../src/layout/index.ts'
import { filesIn, goldenStore, viewOf } from '../../golden/golden-store.ts'
import { type DataPath, openDataPath } from '../../support/data-path.ts'
import { contentOf } from '../../support/file-content.ts'
import { SettableClock } from '../../support/settable-clock.ts'
import { SimulatedDisk } from '../../support/simulated-disk.ts'
import { messagesIn } from './delay-path.ts'

const golden = goldenStore('plain')
const timerLogs = [...filesIn(golden, 'timerlog')]
const { enqueuedAtMs } = TIMER_LOG_UNIT.read(viewOf(timerLogs[0]![1]), 0)

async function openGolden(nowMs: number, without: (path: string) => boolean = () => false): Promise<DataPath> {
  const disk = new SimulatedDisk()
  for (const [path, bytes] of golden.files) {
    if (without(path)) continue
    disk.makeDirectory(posix.dirname(`/store/${path}`))
    const file = disk.open(`/store/${path}`, 'create')
    file.write(bytes, 0)
    file.close()
  }
  disk.settle()
  const clock = new SettableClock()
  clock.setWall(nowMs)
  const { segmentBytes, queueFileBytes, indexSlots, indexItems } = golden.listing
  return openDataPath({
    disk,
    clock,
    config: { mappedFileSizeTimerLog: timerLogs[0]![1].length },
    store: { segmentBytes, queueFileEntries: queueFileBytes / 20, indexSlots, indexItems }
  })
}

const isOfTimer = (path: string): boolean => /^(timerlog\/|timerwheel|config\/timer)/.test(path)

describe('what waits in a store of Apache RocketMQ', () => {
  test('is delivered at its time, each message once', async () => {
    await using path = await openGolden(enqueuedAtMs + 3000)
    const before = path.store.info().appendedUntil
    for (let hours = 0; hours < 70; hours++) await path.advance(hourMs)
    const queues = await Promise.all([0, 1].map(queueId => messagesIn(path, { topic: 'orders', queueId })))
    const delivered = queues.flat().filter(({ physicalOffset }) => physicalOffset >= before)
    const waited = golden.listing.messages
      .filter(({ topic }) => topic === 'SCHEDULE_TOPIC_XXXX' || topic === 'rmq_sys_wheel_timer')
      .filter(({ properties }) => properties.TIMER_DEL_UNIQKEY === undefined)
    const keys = (messages: readonly { properties: Readonly<Record<string, string>> }[]) =>
      messages.map(({ properties }) => properties.UNIQ_KEY).sort()
    expect(waited).toHaveLength(8)
    expect(keys(delivered)).toEqual(keys(waited))
    for (const { properties, queueId, storedAtMs } of delivered) {
      expect(queueId).toBe(Number(properties.REAL_QID))
      expect(storedAtMs).toBeGreaterThan(Number(properties.TIMER_OUT_MS ?? 0))
    }
    expect(path.delayed.lostCount).toBe(0)
  })

  test('is taken into a wheel and a log that are byte for byte its own', async () => {
    await using path = await openGolden(enqueuedAtMs, isOfTimer)
    await path.advance(100)
    for (const { run } of path.delayed.recurring) run()
    await path.turn()
    for (const [name, bytes] of timerLogs) {
      expect(Buffer.from(contentOf(path.disk, `/store/timerlog/${name}`))).toEqual(Buffer.from(bytes))
    }
    const wheel = contentOf(path.disk, '/store/timerwheel')
    expect(Buffer.compare(wheel, golden.files.get('timerwheel')!)).toBe(0)
  })
})
