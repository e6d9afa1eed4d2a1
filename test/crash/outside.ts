/**
 * Process: what people and systems do to a running store from outside. It is stopped for a while and goes on; told to end
 * under load; opened a second time; its files are shortened, replaced, removed or made unreadable under it.
 *
 * Proved each time: the process goes on, or ends with an error that names what happened, and nothing that was
 * acknowledged and not destroyed by the deed itself is lost, changed or invented.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, copyFileSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { assert, KiB, MiB, type Random, seededRandom, VarveError } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { within } from './broker-child.ts'
import { readJournal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { check, compare } from './oracle.ts'
import { processFile } from './process-files.ts'
import type { ProducerTask } from './producer-process.ts'
import type { Scenario, Size, Tally } from './scenario.ts'
import { Violation } from './violation.ts'

const BODY = { bytesMax: 8 * KiB }
const BYTES_MAX = 64 * MiB
const END_MS_MAX = 30_000
const STOPPED_MS: Readonly<Record<Size, number>> = { short: 1_500, medium: 10_000, long: 60_000 }
const NOBODY = 65_534
const ENTRY = processFile('producer')

export const outside: Scenario = {
  name: 'process',
  about: 'stopped, told to end, opened twice, its files shortened, replaced, removed or forbidden while it runs',
  cases: { short: 1, medium: 5, long: 50 },
  lanes: 1,
  async run(seed, directory, size) {
    const tally: Tally = {}
    for (const deed of deeds) {
      const outcome = await doDeed(deed, seed, placeOf(deed, directory), size)
      tally[outcome] = (tally[outcome] ?? 0) + 1
    }
    return { deeds: deeds.length, ...tally }
  }
}

const placeOf = ({ name }: Deed, directory: string): string => join(directory, name.replaceAll(' ', '-'))

/** One of them; `plant` is done to the directory of the store while it runs, before the deed: for a control. */
export async function doDeedOf(
  name: string,
  seed: number,
  directory: string,
  plant: (store: string) => void
): Promise<void> {
  const deed = deeds.find(known => known.name === name)
  assert(deed !== undefined, `there is a deed '${name}'`)
  const act: Deed['act'] = running => {
    plant(running.store.directory)
    return deed.act(running)
  }
  await doDeed({ ...deed, act }, seed, placeOf(deed, directory), 'short')
}

interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<string | number>
  readonly store: StoreOptions
  readonly random: Random
  readonly size: Size
  complaints(): string
}

interface Deed {
  readonly name: string
  /** What the process must say if it ends by itself; without it, it must go on until it is told to end. */
  readonly mayEndWith?: RegExp
  /** It cannot go on: what it writes to is not there. */
  readonly mustEnd?: boolean
  /** Bytes that were acknowledged are gone by what was done. */
  readonly destroys?: boolean
  /** In a process that has no rights over files of others. */
  readonly asNobody?: boolean
  act(running: Running): Promise<void>
  /** Undone before the store is looked at. */
  undo?(running: Running): void
}

/** The file that is written to, and the one that is ready to follow it. */
const newest = ({ store }: Running): string[] => {
  const log = join(store.directory, 'commitlog')
  const names = readdirSync(log).sort().slice(-2)
  return names.map(name => join(log, name))
}

const deeds: readonly Deed[] = [
  {
    name: 'stopped for a while',
    async act({ child, size }) {
      child.kill('SIGSTOP')
      await pause(STOPPED_MS[size])
      child.kill('SIGCONT')
      await pause(200)
    }
  },
  { name: 'told to end', act: async () => {} },
  {
    name: 'opened a second time',
    async act({ store, child }) {
      try {
        const second = await openStore({ ...store, threads: 'none' })
        await second.close()
      } catch (error) {
        if (error instanceof VarveError && error.code === 'STORE_LOCKED' && error.message.includes(String(child.pid)))
          return
        throw error
      }
      throw new Violation('two processes have one store open')
    }
  },
  {
    name: 'shortened',
    mayEndWith: /varve: SIGBUS at byte \d+ of .*commitlog|STORE_FILE_CHANGED/,
    mustEnd: true,
    destroys: true,
    async act(running) {
      for (const path of newest(running)) truncateSync(path, 0)
    }
  },
  {
    name: 'replaced',
    mayEndWith: /STORE_FILE_CHANGED/,
    mustEnd: true,
    destroys: true,
    async act(running) {
      for (const path of newest(running)) {
        copyFileSync(path, `${path}.copy`)
        renameSync(`${path}.copy`, path)
      }
      await pause(300)
    }
  },
  {
    name: 'queues removed',
    mayEndWith: /STORE_[A-Z_]+/,
    async act({ store }) {
      rmSync(join(store.directory, 'consumequeue'), { recursive: true, force: true })
      await pause(300)
    }
  },
  {
    name: 'forbidden',
    mayEndWith: /STORE_[A-Z_]+/,
    asNobody: true,
    async act({ store }) {
      for (const name of ['commitlog', 'consumequeue', 'varve', 'index']) chmodSync(join(store.directory, name), 0)
      await pause(600)
    },
    undo({ store }) {
      for (const name of ['commitlog', 'consumequeue', 'varve', 'index']) chmodSync(join(store.directory, name), 0o755)
    }
  }
]

async function doDeed(deed: Deed, seed: number, directory: string, size: Size): Promise<string> {
  const random = seededRandom(seed)
  const ledger = new Ledger(random.uint32(), BODY)
  const store: StoreOptions = {
    directory: `${directory}-store`,
    flush: random.pick(['sync', 'async']),
    segmentBytes: MiB,
    queueFileEntries: 2_000,
    indexSlots: 500,
    indexItems: 5_000,
    mapper: 'native'
  }
  const journal = `${directory}-journal`
  const task: ProducerTask = {
    store,
    journal,
    messageSeed: ledger.seed,
    seed: random.uint32(),
    firstId: 0,
    body: BODY,
    bytesMax: BYTES_MAX
  }
  const isRoot = process.getuid?.() === 0
  if (deed.asNobody && isRoot) letNobodyIn(directory)
  const child = spawn(process.execPath, [ENTRY, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(deed.asNobody && isRoot ? { uid: NOBODY, gid: NOBODY } : {})
  })
  let complaints = ''
  child.stderr.on('data', chunk => {
    complaints += chunk
  })
  const ended = once(child, 'close').then(([status, signal]) => (signal ?? status) as string | number)
  const began = await Promise.race([once(child.stdout, 'data').then(() => 'open' as const), ended])
  if (began !== 'open') throw new Violation(`${deed.name}: the producer ends with ${began}: ${complaints}`)
  const running: Running = { child, ended, store, random, size, complaints: () => complaints }
  await pause(random.between(100, 500))
  await deed.act(running)
  await pause(random.between(100, 300))
  child.kill('SIGTERM')
  const end = await within(END_MS_MAX, ended)
  child.kill('SIGKILL')
  deed.undo?.(running)
  const outcome = outcomeOf(deed, end, complaints)
  readJournal(journal, ledger)
  if (deed.destroys) await readWhatIsLeft(store, ledger)
  else {
    const open = () => openStore({ ...store, threads: 'none' })
    const kind = outcome === 'ended cleanly' ? ({ kind: 'clean' } as const) : {}
    await check({ directory: store.directory, files: openRealFiles({ mapper: 'native' }), open }, ledger, {
      survives: 'appended',
      ...kind
    })
  }
  return outcome
}

function outcomeOf(
  { name, mayEndWith, mustEnd = false }: Deed,
  end: string | number | undefined,
  complaints: string
): string {
  if (end === undefined) throw new Violation(`${name}: the process does not end within ${END_MS_MAX} ms`)
  if (end === 0 && mustEnd) throw new Violation(`${name}: the process goes on as if nothing had happened`)
  if (end === 0) return 'ended cleanly'
  if (mayEndWith?.test(complaints)) return 'ended with a word'
  throw new Violation(`${name}: the process ended with ${end}: ${complaints.slice(0, 2_000)}`)
}

/** Where the deed itself has destroyed bytes: whatever can be read is right, or opening is refused with a code. */
async function readWhatIsLeft(options: StoreOptions, ledger: Ledger): Promise<void> {
  let store: Store
  try {
    store = await openStore({ ...options, threads: 'none' })
  } catch (error) {
    if (error instanceof VarveError) return
    throw error
  }
  for (const [index, queue] of QUEUES.entries()) {
    for (let offset: number = store.minOffset(queue); offset < store.maxOffset(queue); ) {
      const { messages, nextOffset } = await store.read({ ...queue, offset, countMax: 256 })
      for (const message of messages) compare(message, ledger, index)
      if (nextOffset <= offset) throw new Violation(`${queue.topic}/${queue.queueId}: reading stays at ${offset}`)
      offset = nextOffset
    }
  }
  await store.close()
}

/** The directories above are this user's alone. */
function letNobodyIn(directory: string): void {
  const parent = join(directory, '..')
  for (let above = parent; above !== '/'; above = join(above, '..')) {
    const { mode } = statSync(above)
    if ((mode & 0o111) !== 0o111) chmodSync(above, mode | 0o111)
  }
  chownSync(parent, NOBODY, NOBODY)
}
