import { describe, expect, test } from 'vitest'
import {
  AssertionError,
  assert,
  catalogue,
  type ErrorCode,
  errorFromReport,
  report,
  systemError,
  unreachable,
  VarveError
} from '../../src/base/index.ts'

const codes = Object.keys(catalogue) as ErrorCode[]

describe('the catalogue of errors', () => {
  test.each(codes)('%s says what happened and what to do about it, as a sentence that goes on', code => {
    const { says, hint } = catalogue[code]
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)+$/)
    for (const text of [says, hint]) {
      expect(text.length).toBeGreaterThan(15)
      expect(text).not.toMatch(/[.\n]$/)
      expect(text).not.toMatch(/^[A-Z][a-z]/)
    }
  })
})

describe('a VarveError', () => {
  test('takes text, hint and retryability from its code', () => {
    const error = new VarveError('STORE_BUSY', { dirtyBytes: 7 })
    expect(error).toMatchObject({ name: 'VarveError', code: 'STORE_BUSY', retryable: true, details: { dirtyBytes: 7 } })
    expect(error.hint).toBe(catalogue.STORE_BUSY.hint)
    expect(error.message).toBe(`STORE_BUSY: ${catalogue.STORE_BUSY.says} {"dirtyBytes":7}`)
  })

  test('crosses a thread as data and comes back with code, details and cause', () => {
    const error = new VarveError('STORE_IO_FAILED', { path: 'x' }, { cause: new Error('EIO: i/o error') })
    const back = errorFromReport(structuredClone(report(error)))
    expect(back).toBeInstanceOf(VarveError)
    expect(back).toMatchObject({ code: 'STORE_IO_FAILED', details: { path: 'x' } })
    expect(String(back.cause)).toContain('EIO: i/o error')
  })

  test('comes back without a cause when it left without one', () => {
    expect(errorFromReport(report(new VarveError('STORE_CLOSED'))).cause).toBeUndefined()
  })

  test('stands for a thread that died of anything else', () => {
    const back = errorFromReport(report(new TypeError('not a function')))
    expect(back.code).toBe('STORE_THREAD_DIED')
    expect(String(back.cause)).toContain('not a function')
  })
})

describe('an error of the system', () => {
  test.each<{ errno: string; operation: string; code: ErrorCode }>([
    { errno: 'ENOSPC', operation: 'allocate', code: 'STORE_DISK_FULL' },
    { errno: 'EDQUOT', operation: 'write', code: 'STORE_DISK_FULL' },
    { errno: 'EROFS', operation: 'open', code: 'STORE_READ_ONLY' },
    { errno: 'EACCES', operation: 'open', code: 'STORE_READ_ONLY' },
    { errno: 'EMFILE', operation: 'open', code: 'STORE_FILE_LIMIT' },
    { errno: 'ENOMEM', operation: 'map', code: 'STORE_MAP_LIMIT' },
    { errno: 'ENOMEM', operation: 'read', code: 'STORE_IO_FAILED' },
    { errno: 'EIO', operation: 'read', code: 'STORE_IO_FAILED' }
  ])('$errno while the store tries to $operation becomes $code, with the cause kept', ({ errno, operation, code }) => {
    const cause = Object.assign(new Error(errno), { code: errno })
    const error = systemError(cause, operation, 'commitlog/0')
    expect(error).toMatchObject({ code, details: { operation, path: 'commitlog/0', errno }, cause })
  })

  test('stays as it is when it was translated before', () => {
    const error = new VarveError('STORE_SYNC_FAILED')
    expect(systemError(error, 'sync', 'x')).toBe(error)
  })

  test('without a code is reported as unknown', () => {
    expect(systemError('thrown text', 'read', 'x').details).toMatchObject({ errno: 'unknown' })
  })
})

describe('an assertion', () => {
  test('names the claim that does not hold', () => {
    expect(() => assert(false, 'two is odd')).toThrow(
      new AssertionError('Varve is at fault: it should hold that two is odd')
    )
    expect(() => assert(true, 'two is even')).not.toThrow()
  })

  test('is what reaching the unreachable throws', () => {
    expect(() => unreachable('red' as never)).toThrow(AssertionError)
  })

  test('is no VarveError, so that nobody handles it by mistake', () => {
    expect(new AssertionError('x')).not.toBeInstanceOf(VarveError)
  })
})
