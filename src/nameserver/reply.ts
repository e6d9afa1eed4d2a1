/** The answer to one request, now or later: it outlives the request. To a request that wants no answer it says nothing. */
import { type FieldName, RESPONSE, type RemotingConnection, type RemotingRequest } from '../protocol/index.ts'

export type ReplyFields = readonly (readonly [field: FieldName, value: string | number | boolean | undefined])[]

export class Reply {
  readonly connection: RemotingConnection
  readonly #opaque: number
  readonly #isWanted: boolean

  constructor(request: RemotingRequest, connection: RemotingConnection) {
    this.connection = connection
    this.#opaque = request.opaque
    this.#isWanted = !request.isOneway
  }

  /** Fields that are undefined are left out. */
  ok(fields: ReplyFields = [], body?: Uint8Array): void {
    if (!this.#isWanted) return
    const writer = this.connection.begin(this.#opaque, RESPONSE.SUCCESS)
    for (const [name, value] of fields) if (value !== undefined) writer.text(name, String(value))
    if (body === undefined) writer.end()
    else writer.endWith(body)
  }

  refuse(code: number, remark: string): void {
    if (this.#isWanted) this.connection.begin(this.#opaque, code, remark).end()
  }
}
