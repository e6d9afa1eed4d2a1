/**
 * Looking for a text within bytes in time that grows with the bytes alone, whatever both are (Knuth, Morris and Pratt):
 * who subscribes must not be able to make one message cost a second.
 */
export class TextSearch {
  readonly #wanted: Uint8Array
  /** For each length matched: the longest shorter one that is matched along with it. */
  readonly #fallback: Int32Array

  /** @param wanted not empty */
  constructor(wanted: Uint8Array) {
    this.#wanted = wanted
    this.#fallback = fallbacksOf(wanted)
  }

  isWithin(bytes: Uint8Array, from: number, until: number): boolean {
    const wanted = this.#wanted
    const fallback = this.#fallback
    let matched = 0
    for (let at = from; at < until; at++) {
      const byte = bytes[at]
      while (matched > 0 && byte !== wanted[matched]) matched = fallback[matched] as number // Below the length.
      if (byte === wanted[matched] && ++matched === wanted.length) return true
    }
    return false
  }
}

function fallbacksOf(wanted: Uint8Array): Int32Array {
  const fallback = new Int32Array(wanted.length + 1)
  let matched = 0
  for (let at = 1; at < wanted.length; at++) {
    while (matched > 0 && wanted[at] !== wanted[matched]) matched = fallback[matched] as number
    if (wanted[at] === wanted[matched]) matched++
    fallback[at + 1] = matched
  }
  return fallback
}
