/** Frames of requests, as the Java client writes them. */

export const BODY_BYTES = 1024

/** Request `opaque`; the rest is alike in all of them, as it is in the requests of one producer. */
export function sendFrame(opaque: number, body: Uint8Array): Buffer {
  const properties =
    'KEYS\u0001order-100200300\u0002UNIQ_KEY\u00017F0000010A3C18B4AAC2123456789A00\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002'
  const header = Buffer.from(
    JSON.stringify({
      code: 310,
      extFields: {
        a: 'please_rename_unique_group_name',
        b: 'orders-of-the-day',
        c: 'TBW102',
        d: '4',
        e: '3',
        f: '0',
        g: '1758276000123',
        h: '0',
        i: properties,
        j: '0',
        k: 'false',
        m: 'false',
        n: 'broker-a'
      },
      flag: 0,
      language: 'JAVA',
      opaque,
      serializeTypeCurrentRPC: 'JSON',
      version: 479
    })
  )
  return frameOf(header, body)
}

/** A pull, as a push consumer of the Java client writes it. */
export function pullFrame(opaque: number): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      code: 11,
      extFields: {
        brokerName: 'broker-a',
        commitOffset: '1200300',
        consumerGroup: 'please_rename_unique_group_name_4',
        expressionType: 'TAG',
        maxMsgBytes: '2147483647',
        maxMsgNums: '32',
        queueId: String(opaque % 16),
        queueOffset: String(1_200_300 + opaque),
        requestSource: '0',
        subVersion: '1758276000123',
        subscription: '*',
        suspendTimeoutMillis: '15000',
        sysFlag: '7',
        topic: 'orders-of-the-day'
      },
      flag: 0,
      language: 'JAVA',
      opaque,
      serializeTypeCurrentRPC: 'JSON',
      version: 479
    })
  )
  return frameOf(header, new Uint8Array(0))
}

function frameOf(header: Buffer, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + header.length + body.length)
  head.writeInt32BE(header.length, 4)
  return Buffer.concat([head, header, body])
}
