/** A consumer that filters by SQL92 has every message of its topic looked at: over the bytes of its properties, or by way of an object. */
import { SqlFilter } from '../../src/broker/index.ts'
import { decodeProperties, encodeProperties } from '../../src/layout/index.ts'
import { type Benchmark, compare } from '../harness.ts'

export const sqlFilter: Benchmark = {
  name: 'broker/sql-filter',
  question:
    'judging messages of ten properties by SQL92, against decoding the properties and asking the same in JavaScript',
  run: options => {
    const messages = sampleMessages(options.smoke ? 64 : 16_384)
    const filter = new SqlFilter(
      "region IN ('eu', 'us') AND amount BETWEEN 100 AND 500 AND (type = 'order' OR urgent = TRUE)"
    )
    return compare(sqlFilter, options, {
      reference: () => countOf(messages, bytes => judgedByHand(decodeProperties(bytes, 0, bytes.length))),
      candidate: () => countOf(messages, bytes => filter.acceptsRecord(bytes, 0, bytes.length)),
      ratioMax: 0.5
    })
  }
}

function sampleMessages(count: number): Uint8Array[] {
  const regions = ['eu', 'us', 'asia', 'africa']
  const types = ['order', 'refund', 'inquiry']
  return Array.from({ length: count }, (_, index) =>
    encodeProperties([
      ['UNIQ_KEY', `7F0000010A1C18B4AAC2${index.toString(16).padStart(12, '0').toUpperCase()}`],
      ['KEYS', `order-${index}`],
      ['TAGS', 'TagA'],
      ['WAIT', 'true'],
      ['CLUSTER', 'DefaultCluster'],
      ['MSG_REGION', 'DefaultRegion'],
      ['region', regions[index % regions.length]!],
      ['amount', String((index * 7919) % 1000)],
      ['type', types[index % types.length]!],
      ['urgent', String(index % 5 === 0)]
    ])
  )
}

function countOf(messages: readonly Uint8Array[], accepts: (bytes: Uint8Array) => boolean) {
  let hash = 0
  for (const bytes of messages) hash = (Math.imul(hash, 31) + (accepts(bytes) ? 1 : 0)) | 0
  return { count: messages.length, hash }
}

function judgedByHand({ region, amount, type, urgent }: Record<string, string>): boolean {
  const cents = Number(amount)
  return (region === 'eu' || region === 'us') && cents >= 100 && cents <= 500 && (type === 'order' || urgent === 'true')
}
