/**
 * The state of the store (`varve/state`): how far the log is surely good, and who had the store open last.
 *
 * Two slots are written in turn. The slot that was last made durable is never written to before the other one is
 * durable too, however often the state is saved in between: so neither kill -9 nor loss of power loses both.
 *
 * Not here: when to save (state-keeper.ts), what follows from it (recovery.ts).
 */
import { join } from 'node:path'
import { assert } from '../base/index.ts'
import { encodeText, STATE, STATE_MAGIC, STATE_SLOT_BYTES } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { abortPath, checkpointPath, lockPath, sidecarDirectory } from './paths.ts'
import { decodeBlock, encodeBlock, isPosition, makeSidecarDirectory, PayloadReader } from './sidecar-files.ts'

const SLOT_COUNT = 2
const FILE_BYTES = SLOT_COUNT * STATE_SLOT_BYTES
/** What stands there changes when the system starts. */
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
const BOOT_ID_BYTES_MAX = 64

export interface StoreState {
  /** The sizes that the store was made with. */
  readonly segmentBytes: number
  readonly queueFileEntries: number
  readonly indexSlots: number
  readonly indexItems: number
  /** The log was surely good and on disk below this. */
  readonly durableUntil: number
  /** Appended, in the hands of the system; means something only during the same run. */
  readonly seenUntil: number
  /** Where the index ended (`KeyIndex.endPhysicalOffset`); one that ends earlier now has lost a file. */
  readonly indexEndPhysicalOffset: number
  /** In which this was saved, as `currentRun` calls it; empty where runs cannot be told apart. */
  readonly run: string
  readonly clean: boolean
  /** What `ownerToken` returned: another answer now means that somebody else had the store open in between. */
  readonly ownerToken: string
  readonly savedAtMs: number
}

/**
 * The newest whole state that belongs to the directory as it is, or the newest of all if none does; undefined if there is
 * none. A start that ended before it was under way has left a newer one that does not belong to it.
 * @throws STORE_FORMAT_NEWER
 */
export function readState(files: Files, directory: string): StoreState | undefined {
  const path = statePath(directory)
  if (files.find(path) === undefined) return undefined
  const file = files.open(path, 'read')
  try {
    return validOf(readSlots(file), ownerToken(files, directory))?.state
  } finally {
    file.close()
  }
}

export class StateFile {
  readonly #file: OpenFile
  #generation: number
  #durableSlot: number

  /** Makes the file if there is none, and what it holds durable. @throws STORE_FORMAT_NEWER */
  constructor(files: Files, directory: string) {
    makeSidecarDirectory(files, directory)
    this.#file = files.open(statePath(directory), 'create')
    try {
      if (this.#file.sizeBytes() < FILE_BYTES) {
        this.#file.allocate(0, FILE_BYTES, { keepSize: false })
        this.#file.syncAll()
        files.syncDirectory(sidecarDirectory(directory))
      }
      const saved = readSlots(this.#file)
      this.#file.sync(0, FILE_BYTES)
      this.#generation = newestOf(saved)?.generation ?? 0
      this.#durableSlot = validOf(saved, ownerToken(files, directory))?.slot ?? 0
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  save(state: StoreState, { durable }: { durable: boolean }): void {
    this.#generation++
    const slot = 1 - this.#durableSlot
    const block = encodeState(state, this.#generation)
    this.#file.write(block, slot * STATE_SLOT_BYTES)
    if (!durable) return
    this.#file.sync(slot * STATE_SLOT_BYTES, block.length)
    this.#durableSlot = slot
  }

  close(): void {
    this.#file.close()
  }
}

/**
 * Changes when anybody opens the store: Apache RocketMQ makes `abort` anew when it starts and removes it when it ends,
 * which also touches the root. Take it after the last change of a name in the root; compare it before the first. With
 * `abort` it is what it will be when that file has become the `abort` of the directory.
 */
export function ownerToken(files: Files, directory: string, abort: string = abortPath(directory)): string {
  const mark = (path: string): string => {
    const facts = files.find(path)
    return facts === undefined ? '-' : `${facts.inode}:${facts.modifiedMs}`
  }
  const running = mark(abort)
  if (running !== '-') return `open ${running}`
  return ['closed', ...[directory, lockPath(directory), checkpointPath(directory)].map(mark)].join(' ')
}

/**
 * The run of the system that the directory is in: another after each start, and after each mount of its file system. So
 * what the system may have lost is told from the death of a process. Empty where the system tells nothing.
 */
export function currentRun(files: Files, directory: string): string {
  const bootId = currentBootId(files)
  const mount = bootId === '' ? undefined : files.mountOf(directory)
  return mount === undefined ? bootId : `${bootId} mount ${mount}`
}

function currentBootId(files: Files): string {
  if (files.find(BOOT_ID_PATH) === undefined) return ''
  const file = files.open(BOOT_ID_PATH, 'read')
  try {
    const bytes = new Uint8Array(BOOT_ID_BYTES_MAX)
    return Buffer.from(bytes.subarray(0, file.read(bytes, 0)))
      .toString()
      .trim()
  } finally {
    file.close()
  }
}

const statePath = (directory: string): string => join(sidecarDirectory(directory), 'state')

interface SavedState {
  readonly slot: number
  readonly generation: number
  readonly state: StoreState
}

function readSlots(file: OpenFile): SavedState[] {
  const bytes = new Uint8Array(FILE_BYTES)
  const length = file.read(bytes, 0)
  return Array.from({ length: SLOT_COUNT }, (_, slot) => {
    const until = Math.min((slot + 1) * STATE_SLOT_BYTES, length)
    const decoded = decodeState(bytes.subarray(Math.min(slot * STATE_SLOT_BYTES, until), until))
    return decoded === undefined ? [] : [{ slot, ...decoded }]
  }).flat()
}

function validOf(saved: readonly SavedState[], token: string): SavedState | undefined {
  return newestOf(saved.filter(({ state }) => state.ownerToken === token)) ?? newestOf(saved)
}

function newestOf(saved: readonly SavedState[]): SavedState | undefined {
  return saved.reduce<SavedState | undefined>(
    (newest, other) => (newest === undefined || other.generation > newest.generation ? other : newest),
    undefined
  )
}

function encodeState(state: StoreState, generation: number): Uint8Array {
  const { run, ownerToken: token, clean, ...numbers } = state
  const runBytes = encodeText(run)
  const tokenBytes = encodeText(token)
  const payload = new Uint8Array(STATE.sizeBytes + runBytes.length + tokenBytes.length)
  STATE.write(new DataView(payload.buffer), 0, {
    ...numbers,
    generation,
    clean: clean ? 1 : 0,
    runBytes: runBytes.length,
    ownerTokenBytes: tokenBytes.length
  })
  payload.set(runBytes, STATE.sizeBytes)
  payload.set(tokenBytes, STATE.sizeBytes + runBytes.length)
  const block = encodeBlock(STATE_MAGIC, payload)
  assert(block.length <= STATE_SLOT_BYTES, 'a state fits into its slot')
  assert(decodeState(block) !== undefined, 'a state that is written can be read')
  return block
}

function decodeState(bytes: Uint8Array): { generation: number; state: StoreState } | undefined {
  const payload = decodeBlock(STATE_MAGIC, bytes)
  if (payload === undefined) return undefined
  const reader = new PayloadReader(payload)
  if (reader.take(STATE.sizeBytes) === undefined) return undefined
  const { generation, clean, runBytes, ownerTokenBytes, ...numbers } = STATE.read(reader.view, 0)
  const run = reader.takeText(runBytes)
  const token = reader.takeText(ownerTokenBytes)
  if (run === undefined || token === undefined) return undefined
  if (!isPosition(generation) || !Object.values(numbers).every(isPosition)) return undefined
  return { generation, state: { ...numbers, clean: clean === 1, run, ownerToken: token } }
}
