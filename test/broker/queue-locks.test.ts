import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LockedQueue, QueueLocks } from '../../src/broker/index.ts'
import { LOCK_MS } from '../../src/broker/queue-locks.ts'
import { ROOT, type TableWorldOptions, tableWorld } from '../support/table-fixtures.ts'

const queue = (queueId: number, topic = 't', brokerName = 'b'): LockedQueue => ({ brokerName, topic, queueId })
const QUEUES = [queue(0), queue(1), queue(2)]

function opened(options: TableWorldOptions = {}) {
  const world = tableWorld(options)
  world.disk.makeDirectory(join(ROOT, 'varve')) // The store has made it.
  return { ...world, locks: new QueueLocks(world) }
}

describe('locks of queues', () => {
  test('are given to who comes first; others get what is left', () => {
    const { locks } = opened()
    expect(locks.lock('g', 'a', QUEUES.slice(0, 2))).toEqual(QUEUES.slice(0, 2))
    expect(locks.lock('g', 'b', QUEUES)).toEqual([queue(2)])
    expect(locks.lock('h', 'b', QUEUES)).toEqual(QUEUES)
  })

  test('tell queues of other topics, brokers and numbers apart', () => {
    const { locks } = opened()
    locks.lock('g', 'a', [queue(1)])
    const others = [queue(11), queue(1, '1'), queue(1, 't', 'c'), queue(1, 't-b', '')]
    expect(locks.lock('g', 'b', others)).toEqual(others)
  })

  test('end when their holder has not asked for a minute, not before', () => {
    const { locks, clock } = opened()
    locks.lock('g', 'a', QUEUES)
    clock.advance(LOCK_MS)
    expect(locks.lock('g', 'b', QUEUES)).toEqual([])
    expect(locks.holder('g', queue(0))).toBe('a')
    clock.advance(1)
    expect(locks.isAnyHeld('g')).toBe(false)
    expect(locks.holder('g', queue(0))).toBeUndefined()
    expect(locks.lock('g', 'b', QUEUES)).toEqual(QUEUES)
  })

  test('are renewed by asking again', () => {
    const { locks, clock } = opened()
    locks.lock('g', 'a', QUEUES)
    clock.advance(LOCK_MS)
    expect(locks.lock('g', 'a', QUEUES)).toEqual(QUEUES)
    clock.advance(LOCK_MS)
    expect(locks.isAnyHeld('g')).toBe(true)
    expect(locks.lock('g', 'b', QUEUES)).toEqual([])
  })

  test('do not end because the clock of the machine is set', () => {
    const { locks, clock } = opened()
    locks.lock('g', 'a', QUEUES)
    clock.setWall(clock.nowMs() + 10 * LOCK_MS)
    expect(locks.lock('g', 'b', QUEUES)).toEqual([])
  })

  test('are given back by their holder alone', () => {
    const { locks } = opened()
    locks.lock('g', 'a', QUEUES)
    locks.unlock('g', 'b', QUEUES)
    locks.unlock('nobody', 'a', QUEUES)
    expect(locks.holder('g', queue(1))).toBe('a')
    locks.unlock('g', 'a', [queue(1)])
    expect(locks.holder('g', queue(1))).toBeUndefined()
    expect(locks.isAnyHeld('g')).toBe(true)
    locks.unlock('g', 'a', QUEUES)
    expect(locks.isAnyHeld('g')).toBe(false)
  })

  test('are what the simplest model says, over any history', () => {
    const name = fc.constantFrom<string>('a', 'b', 'c')
    const some = fc.subarray(QUEUES)
    const step = fc.oneof(
      fc.record({ type: fc.constant('lock' as const), group: fc.constantFrom('g', 'h'), client: name, queues: some }),
      fc.record({ type: fc.constant('unlock' as const), group: fc.constantFrom('g', 'h'), client: name, queues: some }),
      fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, LOCK_MS / 2, LOCK_MS, LOCK_MS + 1) }),
      fc.record({ type: fc.constant('expire' as const) })
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), steps => {
        const { locks, clock } = opened()
        /** Every lock ever taken or renewed, the newest last. */
        let taken: { group: string; queueId: number; client: string; atMs: number }[] = []
        const holder = (group: string, queueId: number) => {
          const last = taken.findLast(lock => lock.group === group && lock.queueId === queueId)
          return last === undefined || clock.monotonicMs() - last.atMs > LOCK_MS ? undefined : last.client
        }
        for (const step of steps) {
          if (step.type === 'lock') {
            const free = step.queues.filter(({ queueId }) =>
              [undefined, step.client].includes(holder(step.group, queueId))
            )
            for (const { queueId } of free) {
              taken.push({ group: step.group, queueId, client: step.client, atMs: clock.monotonicMs() })
            }
            expect(locks.lock(step.group, step.client, step.queues)).toEqual(free)
          } else if (step.type === 'unlock') {
            const mine = step.queues.filter(({ queueId }) => holder(step.group, queueId) === step.client)
            taken = taken.filter(
              ({ group, queueId }) => group !== step.group || !mine.some(other => other.queueId === queueId)
            )
            locks.unlock(step.group, step.client, step.queues)
          } else if (step.type === 'wait') clock.advance(step.ms)
          else locks.expire()
          for (const group of ['g', 'h']) {
            const held = QUEUES.map(({ queueId }) => holder(group, queueId))
            expect(QUEUES.map(one => locks.holder(group, one))).toEqual(held)
            expect(locks.isAnyHeld(group)).toBe(held.some(client => client !== undefined))
          }
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('locks of queues, after a restart', () => {
  /** Another broker on what this one has left when it was killed. */
  const reopened = ({ disk, clock }: ReturnType<typeof opened>) => opened({ disk: disk.kill(), clock })

  test('are held by who held them, for a minute from then on', async () => {
    const before = opened()
    before.locks.lock('g', 'a', QUEUES.slice(0, 2))
    before.locks.lock('h', 'b', [queue(0)])
    expect(before.locks.isSaved).toBe(false)
    await before.locks.saved()
    before.clock.advance(LOCK_MS)
    before.locks.lock('g', 'a', QUEUES.slice(0, 2))
    expect(before.locks.isSaved).toBe(true) // Who asks again costs no write.

    const { locks, clock } = reopened(before)
    clock.advance(LOCK_MS)
    expect(locks.lock('g', 'b', QUEUES)).toEqual([queue(2)])
    expect(locks.lock('g', 'a', QUEUES)).toEqual(QUEUES.slice(0, 2))
    expect(locks.holder('h', queue(0))).toBe('b')
    clock.advance(1)
    expect(locks.holder('h', queue(0))).toBeUndefined()
  })

  test('are free that were given back, or had ended', async () => {
    const before = opened()
    before.locks.lock('g', 'a', QUEUES)
    before.locks.unlock('g', 'a', [queue(0)])
    before.locks.lock('h', 'a', QUEUES)
    before.clock.advance(LOCK_MS + 1)
    before.locks.lock('g', 'a', [queue(1), queue(2)])
    before.locks.expire()
    await before.locks.saved()
    const { locks } = reopened(before)
    expect(locks.lock('g', 'b', QUEUES)).toEqual([queue(0)])
    expect(locks.isAnyHeld('h')).toBe(false)
  })

  test('are granted although the disk takes nothing, and a log line says so', async () => {
    const { locks, logged } = opened({ save: () => Promise.reject(new Error('no room')) })
    expect(locks.lock('g', 'a', QUEUES)).toEqual(QUEUES)
    await locks.saved()
    expect(logged).toContain('locks of queues not saved')
  })

  test('are none where the file cannot be read', async () => {
    const before = opened()
    before.locks.lock('g', 'a', QUEUES)
    await before.locks.saved()
    for (const name of ['locks.json', 'locks.json.bak']) {
      if (before.disk.find(join(ROOT, 'varve', name)) === undefined) continue
      const file = before.disk.open(join(ROOT, 'varve', name), 'write')
      file.write(new TextEncoder().encode('{{{'), 0)
      file.close()
    }
    const { locks, logged } = reopened(before)
    expect(logged).toContain('locks of queues from before cannot be read')
    expect(locks.lock('g', 'b', QUEUES)).toEqual(QUEUES)
  })
})
