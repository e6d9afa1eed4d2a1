/** What the tests of the broker's tables share: tables on a simulated disk, with a clock that is set by hand. */
import { type Clock, type Log, openLog } from '../../src/base/index.ts'
import {
  type BrokerConfig,
  brokerConfig,
  type SaveFile,
  saveHere,
  type TableSurroundings
} from '../../src/broker/index.ts'
import { type JavaJson, parseJavaJson } from '../../src/layout/index.ts'
import type { Files } from '../../src/store/files.ts'
import { contentOf } from './file-content.ts'
import { SettableClock } from './settable-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export const ROOT = '/store'

export interface TableWorld extends TableSurroundings {
  readonly disk: SimulatedDisk
  readonly clock: SettableClock
  readonly config: BrokerConfig & { -readonly [Key in keyof BrokerConfig]: BrokerConfig[Key] }
  /** The events of the log so far. */
  readonly logged: string[]
}

export interface TableWorldOptions {
  readonly disk?: SimulatedDisk
  readonly files?: Files
  readonly save?: SaveFile
  readonly clock?: SettableClock
  readonly config?: Partial<BrokerConfig>
}

export function tableWorld(options: TableWorldOptions = {}): TableWorld {
  const disk = options.disk ?? newDisk()
  const files = options.files ?? disk
  const clock = options.clock ?? new SettableClock()
  const logged: string[] = []
  return {
    directory: ROOT,
    disk,
    files,
    save: options.save ?? saveHere(files),
    clock,
    log: logInto(logged, clock),
    logged,
    config: { ...brokerConfig({ brokerName: 'broker-a', ...options.config }) }
  }
}

export function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk()
  disk.makeDirectory(ROOT)
  disk.settle()
  return disk
}

export function textIn(files: Files, path: string): string | undefined {
  return files.find(path) === undefined ? undefined : new TextDecoder().decode(contentOf(files, path))
}

export function jsonIn(files: Files, path: string): JavaJson | undefined {
  const text = textIn(files, path)
  return text === undefined ? undefined : parseJavaJson(text)
}

export function writeText(files: Files, path: string, text: string): void {
  const file = files.open(path, 'create')
  file.setSize(0)
  file.write(new TextEncoder().encode(text), 0)
  file.close()
}

function logInto(events: string[], clock: Clock): Log {
  return openLog({ sink: line => events.push(line), level: 'warn', clock, format: ({ event }) => event })
}
