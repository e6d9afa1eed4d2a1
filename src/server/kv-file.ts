/** The name server's settings (`config/kvConfig.json`), kept beside the tables of the broker that shares its process. */
import { join } from 'node:path'
import { readConfigFile } from '../broker/index.ts'
import type { KvStorage } from '../nameserver/index.ts'
import type { StoreHere } from './server.ts'

export function kvFile({ store, directory, files }: StoreHere): KvStorage {
  const path = join(directory, 'config', 'kvConfig.json')
  return {
    load: () => readConfigFile(files, path)?.json,
    save: content => store.replaceFile(path, content)
  }
}
