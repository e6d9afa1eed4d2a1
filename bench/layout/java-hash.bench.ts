/** The dispatcher hashes a tag and each key of every record: from the bytes as they lie, or by way of a string. */
import { javaHash, javaHashOfBytes } from '../../src/layout/index.ts'
import { type Benchmark, compare } from '../harness.ts'

export const javaHashing: Benchmark = {
  name: 'layout/java-hash',
  question: 'hashing keys of 32 letters from their bytes, against making the strings first',
  run: options => {
    const keyBytes = 32
    const count = options.smoke ? 64 : 4096
    const keys = Buffer.from(
      Array.from({ length: count }, (_, index) => `order-${index}`.padEnd(keyBytes, '0123456789abcdef')).join('')
    )
    const ofAll = (hashOfKey: (from: number, until: number) => number) => {
      let sum = 0
      for (let from = 0; from < keys.length; from += keyBytes) sum = (sum + hashOfKey(from, from + keyBytes)) | 0
      return { count, hash: sum }
    }
    return compare(javaHashing, options, {
      reference: () => ofAll((from, until) => javaHash(keys.toString('latin1', from, until))),
      candidate: () => ofAll((from, until) => javaHashOfBytes(keys, from, until)),
      ratioMax: 1
    })
  }
}
