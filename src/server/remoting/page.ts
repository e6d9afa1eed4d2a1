/** Paging of the long tables: tools and slaves ask for some rows from an index on, as long as the table stays the same. */
import { type DataVersion, isSameVersion, readVersion } from '../../broker/index.ts'
import { type FieldName, parseWire, type RemotingRequest } from '../../protocol/index.ts'

const PAGE_ROWS_MAX = 2_000

export interface Paging {
  readonly seq: FieldName
  readonly dataVersion: FieldName
  readonly countMax: FieldName
  /** Rows in all. */
  readonly count: number
  readonly version: DataVersion
}

export interface Page {
  readonly from: number
  readonly until: number
}

/** All of it for those who do not page, as old tools and the dashboard do. */
export function pageOf(request: RemotingRequest, paging: Paging): { readonly page: Page; readonly isPaged: boolean } {
  const { count, version } = paging
  if (request.isAbsent(paging.countMax)) return { page: { from: 0, until: count }, isPaged: false }
  // mqadmin sends the version of a table that it does not know yet as an empty text.
  const asked = request.text(paging.dataVersion) || undefined
  const known = asked === undefined ? undefined : readVersion(parseWire(new TextEncoder().encode(asked)))
  // The table has changed since the page before: the reader begins anew.
  const isSame = known !== undefined && isSameVersion(known, version)
  const from = isSame ? Math.max(0, request.int(paging.seq, 0)) : 0
  const rows = Math.min(Math.max(1, request.int(paging.countMax)), PAGE_ROWS_MAX)
  return { page: { from, until: Math.min(count, from + rows) }, isPaged: true }
}
