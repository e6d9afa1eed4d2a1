/** What the state says of a log that runs on between two saves, faster than half of what 32 bits can tell apart. */
import { expect, test } from 'vitest'
import { GiB } from '../../src/base/index.ts'
import { Progress, SLOT } from '../../src/store/progress.ts'
import { currentRun, readState } from '../../src/store/sidecar.ts'
import { StateKeeper } from '../../src/store/state-keeper.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

test('the state that is saved is right, however far the log has gone on since the last one', () => {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/store/varve')
  const clock = new SettableClock()
  const progress = new Progress()
  const identity = {
    segmentBytes: GiB,
    queueFileEntries: 100,
    indexSlots: 100,
    indexItems: 100,
    run: currentRun(disk, '/store'),
    ownerToken: ''
  }
  const keeper = new StateKeeper(disk, { progress, clock }, '/store', 0, identity)
  for (let end = 0; end < 8 * GiB; end += 1.5 * GiB) {
    progress.publish(SLOT.flushed, Math.max(0, end - GiB / 2))
    progress.publish(SLOT.appended, end)
    clock.advance(400)
    keeper.step()
  }
  clock.advance(1_000)
  keeper.step()
  keeper.close()
  expect(readState(disk, '/store')).toMatchObject({ durableUntil: 7 * GiB, seenUntil: 7.5 * GiB })
})
