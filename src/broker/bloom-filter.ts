/**
 * The bits by which Apache RocketMQ's broker marks, in a message's queue entry, which filtering groups want it. It is off
 * there by default, and not done here; but every entry of `consumerFilter.json` must bring its bits, and bits of another
 * size make that broker throw the whole file away.
 */

/** Of 32 groups (`expectConsumerNumUseFilter`) and 20 % of false hits (`maxErrorRateOfBloomFilter`), its defaults. */
const HASH_COUNT = 3
const BIT_COUNT = 112

export interface BloomBits {
  readonly bitCount: number
  readonly positions: readonly number[]
}

export function bloomBitsOf(topic: string, group: string): BloomBits {
  const hash = murmur3(new TextEncoder().encode(`${group}#${topic}`))
  const [low, high] = [Number(BigInt.asIntN(32, hash)), Number(BigInt.asIntN(32, hash >> 32n))]
  const positions: number[] = []
  for (let round = 1; round <= HASH_COUNT; round++) {
    const combined = (low + Math.imul(round, high)) | 0
    positions.push((combined < 0 ? ~combined : combined) % BIT_COUNT)
  }
  return { bitCount: BIT_COUNT, positions }
}

export function fitsBloomFilter({ bitCount, positions }: BloomBits): boolean {
  return bitCount === BIT_COUNT && positions.length === HASH_COUNT
}

const BLOCK_BYTES = 16
const C1 = 0x87c37b91114253d5n
const C2 = 0x4cf5ad432745937fn

/** The first 64 bits of MurmurHash3 (x64, 128 bits, seed 0), as a number whose first byte is the lowest. Not for hot paths. */
export function murmur3(bytes: Uint8Array): bigint {
  const whole = bytes.length - (bytes.length % BLOCK_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let h1 = 0n
  let h2 = 0n
  for (let at = 0; at < whole; at += BLOCK_BYTES) {
    h1 ^= mixed(view.getBigUint64(at, true), C1, 31n, C2)
    h1 = wrap(wrap(rotated(h1, 27n) + h2) * 5n + 0x52dce729n)
    h2 ^= mixed(view.getBigUint64(at + 8, true), C2, 33n, C1)
    h2 = wrap(wrap(rotated(h2, 31n) + h1) * 5n + 0x38495ab5n)
  }

  const tail = new DataView(new ArrayBuffer(BLOCK_BYTES))
  for (let at = whole; at < bytes.length; at++) tail.setUint8(at - whole, view.getUint8(at))
  h2 ^= mixed(tail.getBigUint64(8, true), C2, 33n, C1)
  h1 ^= mixed(tail.getBigUint64(0, true), C1, 31n, C2)

  const length = BigInt(bytes.length)
  h1 = wrap((h1 ^ length) + (h2 ^ length))
  h2 = wrap((h2 ^ length) + h1)
  return wrap(finished(h1) + finished(h2))
}

const wrap = (value: bigint) => BigInt.asUintN(64, value)
const rotated = (value: bigint, bits: bigint) => wrap(value << bits) | (value >> (64n - bits))
const mixed = (block: bigint, before: bigint, bits: bigint, after: bigint) =>
  wrap(rotated(wrap(block * before), bits) * after)

function finished(value: bigint): bigint {
  let hash = value
  hash = wrap((hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn)
  hash = wrap((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return hash ^ (hash >> 33n)
}
