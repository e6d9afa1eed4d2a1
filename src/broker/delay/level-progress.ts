/**
 * How far each delay level has been delivered, kept in `config/delayOffset.json` as Apache RocketMQ keeps it.
 *
 * The file is written every `flushDelayOffsetInterval` and at the end. After a crash what was delivered since then is
 * delivered once more. What the file says was delivered is on disk before the file is: no loss of power takes a message
 * that has been passed.
 *
 * Not here: what is delivered (level-delivery.ts).
 */
import { join } from 'node:path'
import type { Clock } from '../../base/index.ts'
import { printJavaJson } from '../../layout/index.ts'
import type { Store } from '../../store/index.ts'
import { ConfigFile, readConfigFile } from '../config-file.ts'
import type { BrokerConfig } from '../config-keys.ts'
import { type DataVersion, firstVersion, nextVersion, readVersion } from '../data-version.ts'
import { integerOf, objectOf } from '../json-fields.ts'
import type { TableSurroundings } from '../topics.ts'

export interface ProgressWorld extends Pick<TableSurroundings, 'directory' | 'files' | 'save' | 'clock' | 'log'> {
  readonly config: Pick<BrokerConfig, 'delayOffsetUpdateVersionStep'>
  readonly store: Pick<Store, 'flushed'>
}

export class LevelProgress {
  readonly #config: ProgressWorld['config']
  readonly #clock: Clock
  readonly #file: ConfigFile
  readonly #offsets = new Map<number, number>()
  #version: DataVersion
  #deliveredSinceVersion = 0

  /** Reads the file. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log, config, store }: ProgressWorld) {
    this.#config = config
    this.#clock = clock
    this.#version = firstVersion(clock)
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'delayOffset.json'),
      save,
      print: async () => {
        const text = this.text()
        await store.flushed()
        return new TextEncoder().encode(text)
      },
      onFailure: error => log.error('progress of delay levels not saved', { error: error as Error })
    })
    const content = objectOf(readConfigFile(files, this.#file.path)?.json)
    for (const [level, offset] of Object.entries(objectOf(content?.offsetTable) ?? {})) {
      if (Number.isInteger(Number(level))) this.#offsets.set(Number(level), integerOf(offset, 0))
    }
    this.#version = readVersion(content?.dataVersion) ?? this.#version
  }

  /** The offset of the first message of the level that has not been delivered. */
  of(level: number): number {
    return this.#offsets.get(level) ?? 0
  }

  /** So many messages more have been delivered, up to the offset. */
  advance(level: number, nextOffset: number, count: number): void {
    this.#offsets.set(level, nextOffset)
    this.#deliveredSinceVersion += count
    if (this.#deliveredSinceVersion >= this.#config.delayOffsetUpdateVersionStep) {
      this.#deliveredSinceVersion = 0
      this.#version = nextVersion(this.#version, this.#clock)
    }
    this.#file.changed()
  }

  /** What the file holds once it is saved; slaves ask for it. */
  text(): string {
    return printJavaJson({ dataVersion: this.#version, offsetTable: Object.fromEntries(this.#offsets) })
  }

  /** For the timer: a failure is logged and the next time tries again. */
  saveSoon(): void {
    if (!this.#file.isSaved) this.#file.saveSoon()
  }

  saved(): Promise<void> {
    return this.#file.saved()
  }
}
