/** Waiting for something to become true in another process: there is nothing to be told by, so it looks again and again. */
import { setTimeout as pause } from 'node:timers/promises'

const WAIT_MS_MAX = 60_000
const LOOK_EVERY_MS = 50

/**
 * @param {() => unknown} holds
 * @param {string | (() => string)} what for the error; a function can say how far it came
 */
export async function until(holds, what, msMax = WAIT_MS_MAX) {
  const lastMs = performance.now() + msMax
  for (;;) {
    const held = await holds()
    if (held) return held
    if (performance.now() > lastMs)
      throw new Error(`not within ${msMax} ms: ${typeof what === 'function' ? what() : what}`)
    await pause(LOOK_EVERY_MS)
  }
}

export { pause }
