/** Languages of peers: their names, by the number that stands for each in a binary header. */
import { encodeText } from '../../layout/index.ts'
import { isSame } from './field-table.ts'

export const LANGUAGES = [
  'JAVA',
  'CPP',
  'DOTNET',
  'PYTHON',
  'DELPHI',
  'ERLANG',
  'RUBY',
  'OTHER',
  'HTTP',
  'GO',
  'PHP',
  'OMS',
  'RUST',
  'NODE_JS'
] as const

export type Language = (typeof LANGUAGES)[number]

const bytesOfLanguages = LANGUAGES.map(encodeText)

export function languageOfCode(code: number): Language {
  return LANGUAGES[code] ?? 'OTHER'
}

/** By the bytes of its name, without making a string. */
export function languageOfBytes(bytes: Uint8Array, from: number, until: number): Language {
  const index = bytesOfLanguages.findIndex(name => name.length === until - from && isSame(bytes, from, name))
  return LANGUAGES[index] ?? 'OTHER'
}
