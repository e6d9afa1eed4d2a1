/** The only door to the time of the machine, so that tests can set it. */

export interface Clock {
  /** Wall time in ms since 1970; may step back. What is written to disk comes from here. */
  nowMs(): number
  /** Never steps back; for durations alone. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now()
}
