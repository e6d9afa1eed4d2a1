/** Key search: messages by topic and key, newest first, through the key index. The index knows hashes; the text is compared here. */
import { VarveError } from '../base/index.ts'
import { indexKeyHashOfText, PROPERTY } from '../layout/index.ts'
import type { StoredMessage } from '../model/index.ts'
import type { Files } from './files.ts'
import { openKeyIndexReader } from './key-index.ts'
import type { ResolvedOptions } from './options.ts'
import { indexDirectory } from './paths.ts'
import type { KeyQuery } from './store-api.ts'

const KEY_COUNT_MAX = 64

export interface KeySearchWorld {
  readonly files: Files
  readonly options: ResolvedOptions
  /** Resolves when everything that readers may see is in the index. */
  readonly dispatched: () => Promise<void>
  readonly messageAt: (position: number) => Promise<StoredMessage>
}

export async function findByKey(query: KeyQuery, world: KeySearchWorld): Promise<StoredMessage[]> {
  const { topic, key, countMax = KEY_COUNT_MAX, fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = query
  const { files, options } = world
  if (!options.index)
    throw new VarveError('OPTION_INVALID', { option: 'index', value: 'false', range: 'true, to search by key' })
  await world.dispatched()
  const reader = openKeyIndexReader({
    files,
    directory: indexDirectory(options.directory),
    slots: options.indexSlots,
    items: options.indexItems
  })
  try {
    const found: StoredMessage[] = []
    const keyHash = indexKeyHashOfText(topic, key)
    let below = Number.MAX_SAFE_INTEGER
    while (found.length < countMax) {
      // Seconds are all that the index keeps, so it is asked for a second more and the record decides.
      const positions = reader.query({
        keyHash,
        countMax: KEY_COUNT_MAX,
        fromMs: fromMs - 1000,
        untilMs: untilMs + 1000,
        belowPhysicalOffset: below
      })
      if (positions.length === 0) break
      for (const position of positions) {
        below = Math.min(below, position)
        const message = await findMessage(world, position)
        const matches =
          message !== undefined &&
          message.topic === topic &&
          hasKey(message, key) &&
          message.storedAtMs >= fromMs &&
          message.storedAtMs <= untilMs
        if (matches && found.length < countMax) found.push(message)
      }
    }
    return found
  } finally {
    reader.close()
  }
}

/** Records that retention has taken, and damaged ones, are not among the answers. */
async function findMessage({ messageAt }: KeySearchWorld, position: number): Promise<StoredMessage | undefined> {
  try {
    return await messageAt(position)
  } catch (error) {
    if (error instanceof VarveError && (error.code === 'RECORD_NOT_FOUND' || error.code === 'RECORD_DAMAGED'))
      return undefined
    throw error
  }
}

const hasKey = (message: StoredMessage, key: string): boolean =>
  message.properties[PROPERTY.UNIQUE_KEY] === key || message.keys.includes(key)
