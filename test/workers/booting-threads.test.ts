import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { BootingThreads } from '../../src/workers/booting-threads.ts'
import { piscinaThreads } from '../../src/workers/index.ts'

/** Waits for a word; then says one, or ends without. */
const CODE = `
  const { parentPort, workerData } = require('node:worker_threads')
  parentPort.once('message', () => workerData.says ? parentPort.postMessage('up') : process.exit())`

describe('threads that come up', () => {
  test.each([{ says: true }, { says: false }])(
    'are waited for until they are up or gone (says: $says)',
    async workerData => {
      const booting = new BootingThreads()
      const thread = new Worker(CODE, { eval: true, workerData })
      booting.look([thread])
      let isSettled = false
      const settled = booting.settled().then(() => {
        isSettled = true
      })
      await new Promise(resolve => thread.once('online', resolve))
      expect(isSettled).toBe(false)

      thread.postMessage('go on')
      await settled

      booting.look([thread]) // Known, and not coming up any more.
      await booting.settled()
      await thread.terminate()
    }
  )

  test('can be taken down at once, as when the store does not open', async () => {
    for (let i = 0; i < 3; i++) {
      const threads = piscinaThreads('plain')
      threads.warm()
      await threads.kill()
    }
  })
})
