/** The name server's settings (`config/kvConfig.json`), beside the tables of a broker that shares its process. */
import { join } from 'node:path'
import { type Files, readConfigFile, type SaveFile } from '../broker/index.ts'
import type { KvStorage } from '../nameserver/index.ts'

export interface KvPlace {
  readonly directory: string
  readonly files: Files
  readonly save: SaveFile
}

export function kvFile({ directory, files, save }: KvPlace): KvStorage {
  const path = join(directory, 'config', 'kvConfig.json')
  return {
    load: () => readConfigFile(files, path)?.json,
    save: content => save(path, content)
  }
}
