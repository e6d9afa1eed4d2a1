/** What happens to the properties of a message on their way into the store; the parser of records is the measure. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PropertyPass } from '../../src/broker/index.ts'
import { decodeProperties, encodeText } from '../../src/layout/index.ts'
import { errorOf, textOf } from '../support/store-fixtures.ts'

const OWN = { region: 'DefaultRegion', isTraced: true, cluster: 'DefaultCluster' }

function read(text: string | Uint8Array): PropertyPass {
  const pass = new PropertyPass()
  pass.read(typeof text === 'string' ? encodeText(text.replaceAll('=', '\x01').replaceAll(';', '\x02')) : text)
  return pass
}

const stored = (pass: PropertyPass): string => textOf(pass.view()).replaceAll('\x01', '=').replaceAll('\x02', ';')
const parsed = (bytes: Uint8Array): Record<string, string> => ({ ...decodeProperties(bytes, 0, bytes.length) })

describe('properties of a message', () => {
  test.each([
    { sent: '', kept: '' },
    { sent: 'KEYS=k;TAGS=a;', kept: 'KEYS=k;TAGS=a;' },
    { sent: 'KEYS=k', kept: 'KEYS=k;' },
    { sent: 'a=b=c;', kept: 'a=b=c;' },
    { sent: ';;=v;name=;name;x=y;', kept: 'x=y;' },
    { sent: 'POP_CK=1 2 3;a=1;', kept: 'a=1;' },
    { sent: 'MSG_REGION=r;TRACE_ON=false;CLUSTER=c;a=1;__CRC32#=0123456789;', kept: 'a=1;' },
    { sent: 'POP_CX=1;TRACE_OM=x;MSG_REGIOM=x;CLUSTEQ=x;', kept: 'POP_CX=1;TRACE_OM=x;MSG_REGIOM=x;CLUSTEQ=x;' },
    { sent: 'ключ=значение;', kept: 'ключ=значение;' }
  ])('$sent are kept as $kept', ({ sent, kept }) => {
    expect(stored(read(sent))).toBe(kept)
  })

  test('get those of the broker, whatever the client said of them', () => {
    const pass = read('CLUSTER=mine;a=1;')
    pass.addOwn(OWN)
    expect(parsed(pass.view())).toEqual({
      a: '1',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
      CLUSTER: 'DefaultCluster'
    })
    pass.read(encodeText('b\x012\x02'))
    pass.addOwn({ ...OWN, isTraced: false })
    expect(parsed(pass.view())).toMatchObject({ b: '2', TRACE_ON: 'false' })
  })

  test('get a UNIQ_KEY, which is told', () => {
    const pass = read('a=1')
    pass.addUniqueKey({
      write: (into, at) => {
        into.set([0x4b, 0x31], at)
        return at + 2
      }
    })
    expect(stored(pass)).toBe('a=1;UNIQ_KEY=K1;')
    expect(textOf(pass.bytes.subarray(pass.uniqueKey.from, pass.uniqueKey.until))).toBe('K1')
  })

  test('tell the UNIQ_KEY that the client sent: the last of several', () => {
    const { bytes, uniqueKey } = read('UNIQ_KEY=first;UNIQ_KEY=last;UNIQ_KEX=no;')
    expect(textOf(bytes.subarray(uniqueKey.from, uniqueKey.until))).toBe('last')
    expect(textOf(read('UNIQ_KEY=a;x=1;UNIQ_KEY=b;UNIQ_KEY2=c;').withoutUniqueKey())).toBe(
      'x\x011\x02UNIQ_KEY2\x01c\x02'
    )
  })

  const nothing = {
    waits: true,
    hasKeys: false,
    delayLevel: 0,
    isTransaction: false,
    isTimed: false,
    isInnerBatch: false
  }
  test.each<{ sent: string; says: Partial<typeof nothing> }>([
    { sent: 'a=1;', says: {} },
    { sent: 'WAIT=true;', says: {} },
    { sent: 'WAIT=TRUE;', says: {} },
    { sent: 'WAIT=false;', says: { waits: false } },
    { sent: 'WAIT=yes;', says: { waits: false } },
    { sent: 'WAIT=false;WAIT=true;', says: {} },
    { sent: 'KEYS=k;', says: { hasKeys: true } },
    { sent: 'KEYS= ;', says: {} },
    { sent: 'DELAY=3;', says: { delayLevel: 3 } },
    { sent: 'DELAY=0;', says: {} },
    { sent: 'DELAY=-1;', says: {} },
    { sent: 'TRAN_MSG=true;', says: { isTransaction: true } },
    { sent: 'TRAN_MSG=True;', says: { isTransaction: true } },
    { sent: 'TRAN_MSG=false;', says: {} },
    { sent: 'TIMER_DELAY_SEC=1;', says: { isTimed: true } },
    { sent: 'TIMER_DELAY_MS=1;', says: { isTimed: true } },
    { sent: 'TIMER_DELIVER_MS=1;', says: { isTimed: true } },
    { sent: 'INNER_NUM=2;', says: { isInnerBatch: true } }
  ])('$sent say $says', ({ sent, says }) => {
    const pass = read(sent)
    const { waits, hasKeys, delayLevel, isTransaction, isTimed, isInnerBatch } = pass
    expect({ waits, hasKeys, delayLevel, isTransaction, isTimed, isInnerBatch }).toEqual({ ...nothing, ...says })
    pass.read(new Uint8Array(0))
    expect(pass).toMatchObject(nothing)
  })

  test.each([
    { size: 'what fits', bytes: 32_767, code: undefined },
    { size: 'one byte more', bytes: 32_768, code: 'MESSAGE_PROPERTIES_TOO_LARGE' },
    { size: 'far more', bytes: 1_000_000, code: 'MESSAGE_PROPERTIES_TOO_LARGE' }
  ])('of $size: $code', async ({ bytes, code }) => {
    const error = await errorOf(() => read(encodeText(`a\x01${'v'.repeat(bytes - 3)}\x02`)).view())
    expect(error?.code).toBe(code)
  })

  test('read as any bytes do before, except what is dropped', () => {
    const piece = fc.oneof(
      fc.constantFrom('POP_CK', 'UNIQ_KEY', 'KEYS', 'TAGS', '__CRC32#', '\x01', '\x02', '\x01v\x02', 'a\x01b\x02'),
      fc.string({ maxLength: 6 })
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), pieces => {
        const bytes = encodeText(pieces.join(''))
        const expected = parsed(bytes)
        for (const name of ['POP_CK', 'MSG_REGION', 'TRACE_ON', 'CLUSTER', '__CRC32#']) delete expected[name]
        const pass = read(bytes)
        expect(parsed(pass.view())).toEqual(expected)
        delete expected.UNIQ_KEY
        expect(parsed(pass.withoutUniqueKey())).toEqual(expected)
      })
    )
  })
})
