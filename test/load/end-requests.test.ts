/** Commits that lie ready: numbers written over others must be the numbers that were meant. */
import { describe, expect, test } from 'vitest'
import { EndRequests } from '../../src/load/end-requests.ts'

const PREFIX_BYTES = 8

function headersIn(bytes: Uint8Array): { opaque: number; extFields: Record<string, string> }[] {
  const buffer = Buffer.from(bytes)
  const headers: { opaque: number; extFields: Record<string, string> }[] = []
  for (let at = 0; at < buffer.length; at += 4 + buffer.readInt32BE(at)) {
    headers.push(JSON.parse(buffer.toString('utf8', at + PREFIX_BYTES, at + PREFIX_BYTES + buffer.readInt32BE(at + 4))))
  }
  return headers
}

describe('commits that lie ready', () => {
  test('say which half message each is for, also where a place is used again', () => {
    const ends = new EndRequests(4)
    for (const [number, [offset, position]] of [
      [0, 0],
      [1, 7],
      [2, 5_000_000_000],
      [3, 1_099_511_627_776],
      [12, 34] // In the first place again.
    ].entries()) {
      ends.prepare(number, offset!, position!)
    }
    const [first] = headersIn(ends.bytesOf(4, 5))
    const rest = headersIn(ends.bytesOf(1, 4))
    expect([...rest, first].map(header => EndRequests.numberOf(header!.opaque))).toEqual([1, 2, 3, 4])
    expect([...rest, first].map(header => Number(header!.extFields.tranStateTableOffset))).toEqual([1, 2, 3, 12])
    expect([...rest, first].map(header => Number(header!.extFields.commitLogOffset))).toEqual([
      7, 5_000_000_000, 1_099_511_627_776, 34
    ])
    expect(first?.extFields.commitOrRollback).toBe('8')
  })
})
