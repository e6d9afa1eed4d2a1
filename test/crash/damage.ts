/**
 * Damage: any file of a store is cut, lengthened, overwritten, emptied, exchanged, removed, or some of its bits and pages
 * change, before the store is opened.
 *
 * Proved each time:
 * - opening, reading, verifying and repairing end, with a result or with an error of the catalogue; a store whose files
 *   have other sizes than its settings say is not opened before it is repaired
 * - whatever is read is what was appended there, byte for byte: damage is reported, never handed out
 * - after `varve store repair` every message is there whose record was not itself damaged; appends go on behind them
 *
 * Not here: what a broker keeps in the same directory (damage-broker.ts).
 */
import { hourMs, KiB, seededRandom, VarveError } from '../../src/base/index.ts'
import type { Store } from '../../src/index.ts'
import { applyRepair, planRepair, verifyStore } from '../../src/store/index.ts'
import type { SimulatedDisk } from '../support/simulated-disk.ts'
import { appendBehind, Contents, type Known, readableContents, type Span, spansOf } from './damage-contents.ts'
import { beginningOf } from './faults.ts'
import { type FileKind, filesOf, type KnownFile } from './file-kinds.ts'
import { keepDisk } from './keep.ts'
import { MUTATIONS, mutate, type Touched } from './mutations.ts'
import { opened } from './oracle.ts'
import { settle } from './rot.ts'
import type { Scenario, Size, Tally } from './scenario.ts'
import { type Defect, DIRECTORY, LoadClock, noDefect, openSimulated } from './simulated-store.ts'
import { Violation } from './violation.ts'

const MUTANTS: Readonly<Record<Size, number>> = { short: 50, medium: 50, long: 100 }

/** Those of simulated-store.ts, as whoever repairs a store knows them. */
const SIZES = { segmentBytes: 64 * KiB, queueFileEntries: 16, indexSlots: 16, indexItems: 64 }

export const damage: Scenario = {
  name: 'damage',
  about: 'files of every kind cut, changed, exchanged or missing: only what was damaged is lost',
  cases: { short: 100, medium: 100, long: 500 },
  lanes: 'processors',
  run: (seed, directory, size) => damageFiles(seed, directory, noDefect, MUTANTS[size])
}

interface Mutant {
  readonly disk: SimulatedDisk
  readonly kind: FileKind
  /** Varve's own files are lost as well, as if Apache RocketMQ had written the store. */
  readonly isForeign: boolean
  /** Of the log alone. */
  readonly touched: readonly Touched[]
  readonly says: string
}

/** @param onlyKind of the files that are damaged; otherwise each kind as often as another. */
export async function damageFiles(
  seed: number,
  directory: string,
  defect: Defect,
  mutants: number,
  onlyKind?: FileKind
): Promise<Tally> {
  const random = seededRandom(seed)
  const flush = random.pick(['sync', 'async'] as const)
  const { disk: before, ledger } = await beginningOf(seed, flush)
  // A clean end, or a crash after a start that has shown everything: in both all of it is durable.
  const clock = new LoadClock()
  clock.advance(hourMs)
  const store = await openSimulated(before, flush, clock, noDefect)
  await settle(store, ledger, clock)
  const contents = await Contents.of(store, ledger)
  const isClosed = random.chance(0.5)
  if (isClosed) await store.close()
  const base = before.kill()
  const spans = spansOf(contents)
  const tally: Tally = { mutants: 0, 'openings refused': 0, 'messages damaged': 0 }
  for (let i = 0; i < mutants; i++) {
    const mutant = mutantOf(base, seed * 1000 + i, onlyKind)
    const kept = mutant.disk.kill()
    try {
      const mayBeLost = damagedIn(mutant, spans)
      const { refused } = await checkMutant(mutant, { contents, mayBeLost, later: new Map() }, flush, defect)
      tally.mutants = (tally.mutants as number) + 1
      tally['openings refused'] = (tally['openings refused'] as number) + (refused ? 1 : 0)
      tally['messages damaged'] = (tally['messages damaged'] as number) + mayBeLost.size
    } catch (error) {
      keepDisk(kept, directory)
      const where = `mutant ${i} of a store that was ${isClosed ? 'closed' : 'killed'}: ${mutant.says}`
      if (error instanceof Violation) throw new Violation(`${error.message}; ${where}`, { cause: error.cause })
      throw new Error(`${error instanceof Error ? error.message : String(error)}; ${where}`, { cause: error })
    }
  }
  return tally
}

/** One file of one kind, so that kinds with few files come as often as others. */
function mutantOf(base: SimulatedDisk, seed: number, onlyKind: FileKind | undefined): Mutant {
  const random = seededRandom(seed)
  const disk = base.kill()
  const all = filesOf(disk, DIRECTORY)
  const kind = onlyKind ?? random.pick([...new Set(all.map(file => file.kind))])
  const ofKind = all.filter(file => file.kind === kind)
  const { path } = random.pick(ofKind) as KnownFile
  const mutation = random.pick(MUTATIONS)
  const others = ofKind.map(file => file.path)
  const touched = mutate(disk, path, { mutation, others, random })
  const isForeign = kind === 'log' && random.chance(0.5)
  if (isForeign) disk.removeDirectory(`${DIRECTORY}/varve`)
  const says = `${path} ${mutation}${isForeign ? ', without a sidecar' : ''}`
  return { disk, kind, isForeign, touched: kind === 'log' ? touched : [], says }
}

function damagedIn({ touched, isForeign }: Mutant, spans: readonly Span[]): Set<number> {
  const damaged = new Set<number>()
  for (const { path, from, until } of touched) {
    const base = Number(path.split('/').at(-1))
    for (const { id, at, end } of spans) if (at < base + until && end > base + from && at >= base) damaged.add(id)
  }
  // Of the last two, without a sidecar, nothing says that they are no torn tail.
  const tail = [...spans].sort((a, b) => a.at - b.at).slice(-2)
  if (isForeign && tail.some(({ id }) => damaged.has(id))) for (const { id } of tail) damaged.add(id)
  return damaged
}

async function checkMutant(
  { disk, kind, touched }: Mutant,
  known: Known,
  flush: 'sync' | 'async',
  defect: Defect
): Promise<{ refused: boolean }> {
  const { contents, mayBeLost } = known
  const clock = new LoadClock()
  const open = () => openSimulated(disk, flush, clock, defect)
  const first = await openOrRefusal(open, touched.length > 0)
  if (first !== undefined) {
    await readableContents(first, known)
    appendBehind(first, known)
    await first.close()
  }
  const report = await verifyStore(disk, { directory: DIRECTORY, sizes: SIZES })
  const isBeyond = planRepair(report).some(({ action }) => action === 'beyond-repair')
  // A segment that is gone, or another's, is for its owner to decide on; nothing else is.
  if (isBeyond && touched.length > 0) return { refused: true }
  await applyRepair(report, { files: disk, sizes: SIZES, open: () => open() })
  const repaired = await opened(open)
  const found = await readableContents(repaired, known)
  const lost = contents.ids.filter(id => !found.has(id) && !mayBeLost.has(id))
  if (lost.length > 0)
    throw new Violation(`${lost.length} messages lost by damage to ${kind}: ${contents.describe(lost[0])}`)
  await repaired.close()
  return { refused: first === undefined }
}

async function openOrRefusal(open: () => Promise<Store>, isLogTouched: boolean): Promise<Store | undefined> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof VarveError && error.code === 'STORE_LAYOUT_FOREIGN') return undefined
    // A file of the log that is gone.
    if (error instanceof VarveError && error.code === 'STORE_FILE_CHANGED' && isLogTouched) return undefined
    if (error instanceof VarveError) throw new Violation(`the store does not open: ${error.message}`, { cause: error })
    throw error
  }
}
