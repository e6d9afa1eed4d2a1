/** Bytes in tests: from hexadecimal text and to it, and views that notice who reads outside a range. */

export function bytesOfHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s+/g, ''), 'hex'))
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A view of `bytes` that throws when anything outside `[from, until)` is read, though the bytes are there. */
export function guarded(bytes: Uint8Array, from: number, until: number): DataView {
  const view = viewOf(bytes)
  return new Proxy(view, {
    get: (_, property) => {
      const member: unknown = Reflect.get(view, property)
      if (typeof member !== 'function') return member
      const name = String(property)
      const bits = Number(/\d+$/.exec(name)?.[0])
      return (at: number, ...rest: unknown[]) => {
        if (!(at >= from && at + bits / 8 <= until))
          throw new RangeError(`${name} at ${at}, outside ${from} to ${until}`)
        return Reflect.apply(member, view, [at, ...rest])
      }
    }
  })
}
