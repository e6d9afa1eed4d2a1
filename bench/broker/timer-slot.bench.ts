/** A timed message is entered into the slot of its second, and the slots that hold anything are found again in their order. */
import { TimerWheel } from '../../src/broker/delay/timer-wheel.ts'
import type { Work } from '../../src/load/index.ts'
import { type Benchmark, compare } from '../harness.ts'

const STEP_MS = 1000
const FROM_MS = 1_700_000_000_000
/** Of a day, so that some share a second and some seconds have none. */
const SLOT_COUNT = 86_400

export const timerSlot: Benchmark = {
  name: 'broker/timer-slot',
  question: 'entering timed messages of a day into their seconds, and going through those in order, against a Map',
  run: options => {
    const slots = sampleSlots(options.smoke ? 100 : 50_000)
    const wheel = new TimerWheel()
    return compare(timerSlot, options, {
      reference: () => throughMap(slots),
      candidate: () => throughWheel(slots, wheel),
      ratioMax: 1
    })
  }
}

function sampleSlots(count: number): number[] {
  let state = 42
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return FROM_MS + (state % SLOT_COUNT) * STEP_MS
  })
}

function throughWheel(slots: readonly number[], wheel: TimerWheel): Work {
  for (let unit = 0; unit < slots.length; unit++) wheel.add(slots[unit]!, unit, false) // Inside by the loop.
  const until = FROM_MS + SLOT_COUNT * STEP_MS
  let sum = 0
  for (let slotMs = wheel.nextSlot(FROM_MS, until); slotMs < until; slotMs = wheel.nextSlot(slotMs + STEP_MS, until)) {
    sum = (Math.imul(sum, 31) + wheel.lastUnit(slotMs) + wheel.unitCount(slotMs)) | 0
    wheel.clear(slotMs)
  }
  return { count: slots.length, hash: sum }
}

function throughMap(slots: readonly number[]): Work {
  const bySlot = new Map<number, { last: number; count: number }>()
  for (let unit = 0; unit < slots.length; unit++) {
    const slot = bySlot.get(slots[unit]!)
    if (slot === undefined) bySlot.set(slots[unit]!, { last: unit, count: 1 })
    else {
      slot.last = unit
      slot.count++
    }
  }
  let sum = 0
  for (const slotMs of [...bySlot.keys()].sort((a, b) => a - b)) {
    const { last, count } = bySlot.get(slotMs)! // One of its keys.
    sum = (Math.imul(sum, 31) + last + count) | 0
  }
  return { count: slots.length, hash: sum }
}
