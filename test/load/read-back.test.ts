/** Reading back what a load has sent, from a broker that keeps only the newest of it. */
import { expect, test } from 'vitest'
import { hourMs, KiB } from '../../src/base/index.ts'
import { bodies } from '../../src/load/bodies.ts'
import { createTopics, minOffsets, readBack } from '../../src/load/broker-calls.ts'
import { brokerPlace } from '../server/remoting/broker-place.ts'

const TARGET = { topic: 'bench-0', queueId: 0 }
const BODY_BYTES = KiB
/** Of the clock of the place, which is years behind that of the files. */
const LONG_MS = 20 * 365 * 24 * hourMs

test('begins with the oldest message that is left, and still finds one that was not sent', async () => {
  await using place = await brokerPlace()
  await createTopics(place.address, [TARGET], 1)
  const sent = bodies(BODY_BYTES)
  const append = (body: Uint8Array) => place.store.append({ ...TARGET, body })
  for (let i = 0; i < 200; i++) append(sent[i] as Uint8Array)
  await place.store.flushed()
  const whole = await readBack(place.address, TARGET, { bodyBytes: BODY_BYTES })

  place.clock.advance(LONG_MS)
  expect((await place.store.clean({ ignoreHours: true })).length).toBeGreaterThan(0)
  const [oldest = 0] = await minOffsets(place.address, [TARGET])
  expect(oldest).toBeGreaterThan(0)
  expect(await readBack(place.address, TARGET, { bodyBytes: BODY_BYTES })).toBe(whole)

  append(Buffer.alloc(BODY_BYTES, 7))
  await expect(readBack(place.address, TARGET, { bodyBytes: BODY_BYTES })).rejects.toThrow(
    `message 200 of ${TARGET.topic} is not one that was sent`
  )
})
