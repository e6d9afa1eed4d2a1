import { describe, expect, test } from 'vitest'
import { type Clock, type LogOptions, openLog, readableLine, silentLog, VarveError } from '../../src/base/index.ts'

const noon: Clock = { nowMs: () => Date.UTC(2026, 0, 31, 12), monotonicMs: () => 0 }

function logInto(options: Omit<LogOptions, 'sink' | 'clock'> = {}) {
  const lines: string[] = []
  return { lines, log: openLog({ ...options, sink: line => lines.push(line), clock: noon }) }
}

describe('a log', () => {
  test('writes one line of JSON per event: time, level and event first, then the fields', () => {
    const { lines, log } = logInto()
    log.info('store opened', { tookMs: 12, directory: 'data' })
    expect(lines).toEqual([
      '{"at":"2026-01-31T12:00:00.000Z","level":"info","event":"store opened","tookMs":12,"directory":"data"}'
    ])
  })

  test.each([
    { level: 'debug', written: ['debug', 'info', 'warn', 'error'] },
    { level: 'info', written: ['info', 'warn', 'error'] },
    { level: 'warn', written: ['warn', 'error'] },
    { level: 'error', written: ['error'] }
  ] as const)('of level $level writes $written', ({ level, written }) => {
    const { lines, log } = logInto({ level })
    log.debug('x')
    log.info('x')
    log.warn('x')
    log.error('x')
    expect(lines.map(line => JSON.parse(line).level)).toEqual(written)
  })

  test('adds the fields it was made with to each line, the nearest ones winning', () => {
    const { lines, log } = logInto()
    log.with({ thread: 'flusher', round: 1 }).with({ segment: 3 }).warn('slow', { round: 2 })
    expect(JSON.parse(lines[0]!)).toMatchObject({ event: 'slow', thread: 'flusher', segment: 3, round: 2 })
  })

  test('keeps whatever a field holds within its line', () => {
    const { lines, log } = logInto()
    log.info('x', { topic: 'a\nb', offset: 2n ** 60n, missing: undefined })
    expect(lines[0]).not.toContain('\n')
    expect(JSON.parse(lines[0]!)).toMatchObject({ topic: 'a\nb', offset: '1152921504606846976' })
  })

  test('tells why an error happened, through all its causes', () => {
    const { lines, log } = logInto()
    log.error('x', { error: new VarveError('STORE_IO_FAILED', { path: 'p' }, { cause: new Error('EIO') }) })
    const { error } = JSON.parse(lines[0]!)
    expect(error).toMatch(/^STORE_IO_FAILED: .*"path":"p".*; cause: Error: EIO/)
  })
})

describe('a log that limits repeats', () => {
  test('leaves out what is one too many of an event, and tells how many at the next line', () => {
    let nowMs = 0
    const lines: string[] = []
    const log = openLog({
      sink: line => lines.push(line),
      clock: { nowMs: () => 0, monotonicMs: () => nowMs },
      repeats: { countMax: 2, intervalMs: 1000 }
    })
    for (let i = 0; i < 5; i++) log.with({ i }).warn('frame refused')
    log.warn('another event')
    nowMs = 1000
    log.warn('frame refused', { i: 5 })
    log.warn('frame refused', { i: 6 })
    expect(lines.map(line => JSON.parse(line)).map(({ event, i, omitted }) => [event, i, omitted])).toEqual([
      ['frame refused', 0, undefined],
      ['frame refused', 1, undefined],
      ['another event', undefined, undefined],
      ['frame refused', 5, 3],
      ['frame refused', 6, undefined]
    ])
  })
})

describe('a log for a terminal', () => {
  test('writes words, and quotes only what needs it', () => {
    const { lines, log } = logInto({ format: readableLine })
    log.warn('segment is late', { segment: 3, path: 'data/commitlog/000', reason: 'disk is slow', empty: '' })
    expect(lines).toEqual([
      '12:00:00.000 warn  segment is late segment=3 path=data/commitlog/000 reason="disk is slow" empty=""'
    ])
  })

  test('leaves out what is not there', () => {
    const { lines, log } = logInto({ format: readableLine })
    log.info('x', { missing: undefined })
    expect(lines).toEqual(['12:00:00.000 info  x'])
  })

  test('lets no field send control characters to the terminal', () => {
    const { lines, log } = logInto({ format: readableLine })
    log.info('x', { topic: '\u001b[2Jgone\u009b2J\u007f\n' })
    expect(lines[0]).toMatch(/topic="\\u001b\[2Jgone\\u009b2J\\u007f\\n"$/)
  })
})

describe('the silent log', () => {
  test('takes everything and stays the same log', () => {
    expect(silentLog.with({ thread: 'x' })).toBe(silentLog)
    expect(silentLog.error('nobody sees this', { error: new Error('x') })).toBeUndefined()
  })
})
