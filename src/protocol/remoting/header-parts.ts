/**
 * What reading a header yields, whichever of the two forms it has: numbers, and positions in the bytes of the frame.
 *
 * Invariant: positions are inside the header; a text without bytes, or none at all, is empty.
 */
import { FieldTable } from './field-table.ts'

export class HeaderParts {
  code = 0
  flag = 0
  opaque = 0
  version = 0
  /** Of the binary form; -1 if the language is told by its name. */
  languageCode = -1
  languageFrom = 0
  languageUntil = 0
  hasRemark = false
  remarkFrom = 0
  remarkUntil = 0
  readonly fields = new FieldTable()

  reset(bytes: Uint8Array): void {
    this.code = this.flag = this.opaque = this.version = 0
    this.languageCode = -1
    this.languageFrom = this.languageUntil = 0
    this.hasRemark = false
    this.remarkFrom = this.remarkUntil = 0
    this.fields.reset(bytes)
  }
}

/** Why a header cannot be read. The connection that it came on is closed: nothing after it can be trusted. */
export type HeaderFault = 'the header is malformed' | 'the header has too many fields'
export const MALFORMED: HeaderFault = 'the header is malformed'
export const TOO_MANY_FIELDS: HeaderFault = 'the header has too many fields'
