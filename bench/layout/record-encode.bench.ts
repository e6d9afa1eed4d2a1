/** What writing a record field by field costs over copying bytes that are ready, which no encoder can beat. */
import { bodies, hashOf, type Work } from '../../src/load/index.ts'
import { type Benchmark, compare } from '../harness.ts'
import { encodeRecords, sampleRecords } from './sample-records.ts'

export const recordEncode: Benchmark = {
  name: 'layout/record-encode',
  question: 'encoding records of 128 B bodies, against copying records that are ready',
  run: options => {
    const sample = sampleRecords({ count: options.smoke ? 64 : 8192, bodyBytes: 128 })
    const body = bodies(128)
    const ready = Array.from({ length: sample.count }, (_, index) =>
      sample.bytes.slice(index * sample.recordBytes, (index + 1) * sample.recordBytes)
    )
    const copied = new Uint8Array(sample.bytes.length)
    const encoded = { ...sample, bytes: new Uint8Array(sample.bytes.length) }
    encoded.view = new DataView(encoded.bytes.buffer)

    const copy = () => {
      for (let index = 0; index < sample.count; index++) copied.set(ready[index]!, index * sample.recordBytes)
      return { count: sample.count, hash: copied[copied.length - 1]! }
    }
    const encode = () => {
      encodeRecords(encoded, body)
      return { count: sample.count, hash: encoded.bytes[encoded.bytes.length - 1]! }
    }
    return compare(recordEncode, options, {
      reference: copy,
      candidate: encode,
      // Outside the measured time: every byte of both.
      checkSame: (reference: Work, candidate: Work) => {
        const same = reference.count === candidate.count && hashOf([copied]) === hashOf([encoded.bytes])
        if (!same) throw new Error('the encoded records differ from the ready ones')
      },
      ratioMax: 8
    })
  }
}
