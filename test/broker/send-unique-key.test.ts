/** The UNIQ_KEY that the broker makes: address, process, maker, ms of the month and a counter, in hexadecimal. */
import { describe, expect, test } from 'vitest'
import { UniqueKeys } from '../../src/broker/send-unique-key.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { textOf } from '../support/store-fixtures.ts'

const HOST = { address: '10.1.2.3', port: 10_911 }

function makerOf(clock: SettableClock, host = HOST, processId = 0x1abcd) {
  const keys = new UniqueKeys(clock, host, processId)
  return (): string => {
    const bytes = new Uint8Array(keys.sizeBytes + 2)
    expect(keys.write(bytes, 1)).toBe(1 + keys.sizeBytes)
    expect([bytes[0], bytes.at(-1)]).toEqual([0, 0])
    return textOf(bytes.subarray(1, -1))
  }
}

const msOf = (key: string): number => Number.parseInt(key.slice(-12, -4), 16)
const at = (clock: SettableClock, ...date: [number, number, number?, number?]): void =>
  clock.setWall(new Date(...(date as [number, number])).getTime())

describe('a UNIQ_KEY of the broker', () => {
  test('has 32 digits: address, the low half of the process number, maker, time, counter', () => {
    const clock = new SettableClock()
    at(clock, 2026, 4, 1, 0)
    clock.advance(0x1234)
    expect(makerOf(clock)()).toMatch(/^0A010203ABCD[0-9A-F]{8}000012340001$/)
  })

  test('has the whole address of IPv6', () => {
    expect(makerOf(new SettableClock(), { address: '2001:db8::1', port: 1 })()).toMatch(
      /^20010DB8000000000000000000000001ABCD[0-9A-F]{20}$/
    )
  })

  test('counts the ms since the month began, also when the month changes and when the clock goes back', () => {
    const clock = new SettableClock()
    const next = makerOf(clock)
    at(clock, 2026, 1, 28, 23)
    expect(msOf(next())).toBe((27 * 24 + 23) * 3_600_000)
    at(clock, 2026, 2, 1, 0)
    expect(msOf(next())).toBe(0)
    at(clock, 2026, 1, 28, 23)
    expect(msOf(next())).toBe((27 * 24 + 23) * 3_600_000)
  })

  test('is another for each message, and of each maker', () => {
    const clock = new SettableClock()
    const [one, other] = [makerOf(clock), makerOf(clock)]
    const keys = Array.from({ length: 70_000 }, (_, i) => {
      if (i % 10_000 === 0) clock.advance(1)
      return one()
    })
    expect(new Set(keys).size).toBe(keys.length)
    expect(other().slice(0, 20)).not.toBe(one().slice(0, 20))
  })
})
