/** Frames as peers make them, by hand and without our own writer: what the reader is tested with must not come from it. */

export interface Head {
  readonly code?: number
  readonly opaque?: number
  readonly flag?: number
  readonly version?: number
  readonly language?: string
  readonly remark?: string
  readonly fields?: Readonly<Record<string, string | null>>
}

/** As Java writes it. */
export function jsonFrame(
  { code = 0, opaque = 0, flag = 0, version = 479, language = 'JAVA', ...head }: Head,
  body = ''
): Buffer {
  const { remark, fields } = head
  const header = { code, extFields: fields, flag, language, opaque, remark, serializeTypeCurrentRPC: 'JSON', version }
  return frame(JSON.stringify(header), body)
}

/** Any header, well formed or not, in a frame whose sizes are right. */
export function frame(header: string | Uint8Array, body: string | Uint8Array = '', form = 0): Buffer {
  const headerBytes = Buffer.from(header)
  const bodyBytes = Buffer.from(body)
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + headerBytes.length + bodyBytes.length)
  head.writeInt32BE((form << 24) | headerBytes.length, 4)
  return Buffer.concat([head, headerBytes, bodyBytes])
}

export function binaryFrame(
  { code = 0, opaque = 0, flag = 0, version = 479, remark = '', fields = {} }: Head,
  body = ''
): Buffer {
  const fixed = Buffer.alloc(13)
  fixed.writeInt16BE(code)
  fixed.writeInt16BE(version, 3)
  fixed.writeInt32BE(opaque, 5)
  fixed.writeInt32BE(flag, 9)
  const entries = Object.entries(fields).map(([name, value]) => {
    return Buffer.concat([int16(Buffer.byteLength(name)), Buffer.from(name), sized(value ?? '')])
  })
  return frame(Buffer.concat([fixed, sized(remark), sized(Buffer.concat(entries))]), body, 1)
}

function sized(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([int32(bytes.length), bytes])
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export interface ReadFrame {
  readonly code: number
  readonly opaque: number
  readonly flag: number
  readonly remark: string | undefined
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
  readonly header: string
}

/** The frames in what a server sent, by `JSON.parse`; and what is left. */
export function framesIn(bytes: Buffer): { frames: ReadFrame[]; rest: Buffer } {
  const frames: ReadFrame[] = []
  let at = 0
  while (at + 8 <= bytes.length) {
    const end = at + 4 + bytes.readInt32BE(at)
    if (end > bytes.length) break
    const bodyAt = at + 8 + (bytes.readInt32BE(at + 4) & 0xffffff)
    const header = bytes.toString('utf8', at + 8, bodyAt)
    const { code, opaque, flag, remark, extFields = {} } = JSON.parse(header)
    frames.push({ code, opaque, flag, remark, fields: extFields, body: bytes.toString('utf8', bodyAt, end), header })
    at = end
  }
  return { frames, rest: bytes.subarray(at) }
}
