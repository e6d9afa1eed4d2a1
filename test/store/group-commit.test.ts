/** Group commit: who syncs, the owner by itself or the flusher. */
import { describe, expect, test } from 'vitest'
import { MiB } from '../../src/base/index.ts'
import { GroupCommit } from '../../src/store/group-commit.ts'
import { Health } from '../../src/store/health.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { Progress, type Role, SLOT } from '../../src/store/progress.ts'
import type { StoreThreads } from '../../src/store/threads.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const APPENDED = 1000

/** A log of which nothing is on disk, and a flusher that does nothing but count. */
function groupCommit() {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/store/commitlog')
  disk.open(segmentPath('/store', 0), 'create').setSize(MiB)
  const files = new FaultyFiles(disk)
  const progress = new Progress()
  progress.publish(SLOT.appended, APPENDED)
  const woken: Role[] = []
  const threads = { kind: 'workers', hold: () => {}, wake: (role: Role) => woken.push(role) }
  const commit = new GroupCommit(
    {
      files,
      clock: new SettableClock(),
      progress,
      threads: threads as unknown as StoreThreads, // No other method is called.
      health: new Health('/store'),
      appended: () => APPENDED,
      onFlushed: () => {},
      onFailed: error => expect.unreachable(String(error))
    },
    { directory: '/store', segmentBytes: MiB }
  )
  return { commit, woken, ownSyncs: () => files.count('sync') }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('whoever waits for the disk', () => {
  test('alone, is served by the owner, without a change of thread', async () => {
    const { commit, woken, ownSyncs } = groupCommit()
    await commit.flushed(APPENDED)
    expect([woken, ownSyncs()]).toEqual([[], 1])
    commit.close()
  })

  test.each([
    { who: 'with others', ask: (commit: GroupCommit) => [commit.flushed(500), commit.flushed(APPENDED)] },
    { who: 'on behalf of several', ask: (commit: GroupCommit) => [commit.flushed(APPENDED, 2)] }
  ])('$who, is served by the flusher, so that the owner goes on', async ({ ask }) => {
    const { commit, woken, ownSyncs } = groupCommit()
    void Promise.allSettled(ask(commit))
    await turn()
    expect([woken, ownSyncs()]).toEqual([['flusher'], 0])
    commit.close()
  })
})
