import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom, VarveError } from '../../src/base/index.ts'
import { ConfigFile, readConfigFile } from '../../src/broker/config-file.ts'
import { type Files, replaceWithBackup } from '../../src/store/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything, losesNothing, type SimulatedDisk } from '../support/simulated-disk.ts'
import { newDisk, ROOT, textIn, writeText } from '../support/table-fixtures.ts'

const PATH = join(ROOT, 'config', 'table.json')
const bytes = (text: string) => new TextEncoder().encode(text)
/** Long and short in turn, so that a shorter content must not keep the end of a longer one. */
const contentOf = (version: number) => JSON.stringify({ version, filler: 'x'.repeat(version % 2 === 0 ? 9000 : 10) })

function versionIn(disk: SimulatedDisk): number | undefined {
  const content = readConfigFile(disk, PATH)
  return content === undefined ? undefined : (content.json as { version: number }).version
}

class Stopped extends Error {}

/** Replaces the file, and stops for good before call number `stopAt`; false if that many calls were not made. */
const replaceUntil = (disk: SimulatedDisk, version: number, stopAt: number) =>
  stopsAt(disk, stopAt, files => replaceWithBackup(files, PATH, bytes(contentOf(version))))

function stopsAt(disk: SimulatedDisk, stopAt: number, work: (files: Files) => void): boolean {
  let calls = 0
  const files = new FaultyFiles(disk, {
    before: () => {
      if (++calls >= stopAt) throw new Stopped()
    }
  })
  try {
    work(files)
    return false
  } catch (error) {
    if (error instanceof Stopped) return true
    throw error
  }
}

describe('replacing a file of config/', () => {
  test.each([
    { saved: 0, before: undefined },
    { saved: 1, before: 1 },
    { saved: 3, before: 3 }
  ])('for the time $saved + 1, stopped at any call, leaves what was there or what is new', ({ saved, before }) => {
    const start = newDisk()
    for (let version = 1; version <= saved; version++) replaceWithBackup(start, PATH, bytes(contentOf(version)))
    let stopAt = 1
    for (let stopped = true; stopped; stopAt++) {
      const disk = start.kill()
      stopped = replaceUntil(disk, saved + 1, stopAt)
      const machines = [disk.kill(), disk.crash(seededRandom(stopAt), losesEverything)]
      for (let seed = 0; seed < 40; seed++) machines.push(disk.crash(seededRandom(seed)))
      machines.push(disk.crash(seededRandom(stopAt), losesNothing))
      for (const machine of machines) {
        expect([before, saved + 1]).toContain(versionIn(machine))
        if (!stopped) expect(versionIn(machine)).toBe(saved + 1)
      }
    }
    expect(stopAt).toBeGreaterThan(8)
  })

  test('again and again, with crashes anywhere, never goes back behind what was acknowledged', () => {
    const step = fc.record({ stopAt: fc.integer({ min: 1, max: 14 }), seed: fc.nat(), power: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), steps => {
        let disk = newDisk()
        let acknowledged: number | undefined
        for (const [i, { stopAt, seed, power }] of steps.entries()) {
          const version = i + 1
          const stopped = replaceUntil(disk, version, stopAt)
          if (!stopped) acknowledged = version
          disk = power ? disk.crash(seededRandom(seed)) : disk.kill()
          const found = versionIn(disk)
          expect([acknowledged, version]).toContain(found)
          acknowledged = found
        }
      }),
      { numRuns: 150 }
    )
  })

  test('after one that was stopped anywhere is as durable as any', () => {
    for (let stopAt = 1; stopAt < 14; stopAt++) {
      const disk = newDisk()
      replaceUntil(disk, 1, stopAt)
      const next = disk.kill()
      expect(replaceUntil(next, 2, 100)).toBe(false)
      expect(versionIn(next.crash(seededRandom(stopAt), losesEverything))).toBe(2)
    }
  })

  test('on a full disk keeps the old content', () => {
    const disk = newDisk()
    replaceWithBackup(disk, PATH, bytes(contentOf(1)))
    const files = new FaultyFiles(disk)
    files.fail({ kind: 'write', errno: 'ENOSPC' })
    expect(() => replaceWithBackup(files, PATH, bytes(contentOf(2)))).toThrow(/STORE_DISK_FULL/)
    expect(versionIn(disk)).toBe(1)
    expect(disk.list(join(ROOT, 'config'))).toEqual(['table.json']) // Nothing half written takes the last room.
  })
})

describe('reading a file of config/', () => {
  const GOOD = '{"version":1}'
  const OLDER = '{"version":0}'

  test.each<{ file: string | undefined; backup: string | undefined; found: number | undefined }>([
    { file: undefined, backup: undefined, found: undefined },
    { file: GOOD, backup: undefined, found: 1 },
    { file: GOOD, backup: OLDER, found: 1 },
    { file: GOOD, backup: '{"vers', found: 1 },
    { file: undefined, backup: OLDER, found: 0 },
    { file: '', backup: OLDER, found: 0 },
    { file: '{"version":1', backup: OLDER, found: 0 },
    { file: '\0\0\0\0', backup: OLDER, found: 0 },
    { file: '', backup: '', found: undefined }
  ])('$file beside backup $backup finds $found', ({ file, backup, found }) => {
    const disk = diskWith(file, backup)
    expect(versionIn(disk)).toBe(found)
  })

  test.each([
    { file: '{"vers', backup: undefined },
    { file: '{"vers', backup: '' },
    { file: '{"vers', backup: '{' },
    { file: undefined, backup: '{' }
  ])('$file beside backup $backup is refused, and neither is touched', ({ file, backup }) => {
    const disk = diskWith(file, backup)
    expect(() => readConfigFile(disk, PATH)).toThrow(expect.objectContaining({ code: 'CONFIG_FILE_DAMAGED' }))
    expect(textIn(disk, PATH)).toBe(file)
    expect(textIn(disk, `${PATH}.bak`)).toBe(backup)
  })

  test('an unreadable one is put aside, so that saving does not make it the backup', () => {
    const disk = diskWith('{"vers', OLDER)
    readConfigFile(disk, PATH)
    expect(textIn(disk, `${PATH}.damaged`)).toBe('{"vers')
    replaceWithBackup(disk, PATH, bytes('{"version":2}'))
    expect(textIn(disk, `${PATH}.bak`)).toBe(OLDER)
    expect(versionIn(disk)).toBe(2)
  })

  test.each([
    { file: GOOD, backup: OLDER, found: 1 },
    { file: '{"vers', backup: OLDER, found: 0 },
    { file: undefined, backup: OLDER, found: 0 }
  ])('$file beside backup $backup, stopped at any call, finds $found the next time', ({ file, backup, found }) => {
    const start = diskWith(file, backup)
    start.settle()
    let stopAt = 1
    for (let stopped = true; stopped; stopAt++) {
      const disk = start.kill()
      stopped = stopsAt(disk, stopAt, files => readConfigFile(files, PATH))
      const machines = [disk.kill(), disk.crash(seededRandom(stopAt), losesEverything)]
      for (let seed = 0; seed < 10; seed++) machines.push(disk.crash(seededRandom(seed)))
      for (const machine of machines) expect(versionIn(machine)).toBe(found)
    }
    expect(stopAt).toBeGreaterThan(5)
  })

  test('makes durable what it found, wherever the save before it was killed', () => {
    for (let stopAt = 1; stopAt < 14; stopAt++) {
      const disk = newDisk()
      replaceWithBackup(disk, PATH, bytes(contentOf(1)))
      stopsAt(disk, stopAt, files => replaceWithBackup(files, PATH, bytes(contentOf(2))))
      const next = disk.kill()
      const found = versionIn(next)
      expect(versionIn(next.crash(seededRandom(stopAt), losesEverything))).toBe(found)
    }
  })

  test.each([
    { file: GOOD, backup: OLDER, found: 1 },
    { file: undefined, backup: OLDER, found: 0 }
  ])('$file beside backup $backup, copied there by hand, stays through a loss of power', ({ file, backup, found }) => {
    const disk = newDisk()
    disk.makeDirectory(join(ROOT, 'config'))
    disk.settle()
    if (file !== undefined) writeText(disk, PATH, file)
    writeText(disk, `${PATH}.bak`, backup)
    expect(versionIn(disk)).toBe(found)
    expect(versionIn(disk.crash(seededRandom(1), losesEverything))).toBe(found)
  })

  function diskWith(file: string | undefined, backup: string | undefined): SimulatedDisk {
    const disk = newDisk()
    disk.makeDirectory(join(ROOT, 'config'))
    if (file !== undefined) writeText(disk, PATH, file)
    if (backup !== undefined) writeText(disk, `${PATH}.bak`, backup)
    return disk
  }
})

describe('saving for many waiters', () => {
  test('takes one save for all changes of a turn', async () => {
    const { file, saves } = opened()
    await Promise.all(
      Array.from({ length: 1000 }, () => {
        file.changed()
        return file.saved()
      })
    )
    expect(saves).toEqual([1000])
  })

  test('takes one more for all changes made while a save runs, whose waiters wait for that one', async () => {
    const { file, saves, gate } = opened()
    gate.close()
    file.changed()
    const first = file.saved()
    await gate.reached()
    file.changed()
    file.changed()
    let isSecondSaved = false
    const second = file.saved().then(() => {
      isSecondSaved = true
    })
    gate.open()
    await first
    expect(isSecondSaved).toBe(false)
    await second
    expect(saves).toEqual([1, 3])
    expect(file.isSaved).toBe(true)
  })

  test('saves nothing when nothing has changed', async () => {
    const { file, saves } = opened()
    await file.saved()
    file.saveSoon()
    await file.saved()
    expect(saves).toEqual([])
  })

  test('fails those who wait for a save that fails, tells once, and saves it with the next', async () => {
    const { file, saves, failures, failNext } = opened()
    failNext(new VarveError('STORE_DISK_FULL'))
    file.changed()
    const outcomes = await Promise.allSettled([file.saved(), file.saved()])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(failures).toHaveLength(1)
    expect(file.isSaved).toBe(false)
    await file.saved()
    expect(saves).toEqual([1])
    expect(file.isSaved).toBe(true)
  })

  test('goes on after a save that failed while others were waiting for the next', async () => {
    const { file, saves, gate, failNext } = opened()
    gate.close()
    failNext(new VarveError('STORE_DISK_FULL'))
    file.changedAndSave()
    await gate.reached()
    file.changed()
    const second = file.saved()
    gate.open()
    await second
    expect(saves).toEqual([2])
  })

  /** `saves` has, for each save that succeeded, how many changes it printed. */
  function opened() {
    const saves: number[] = []
    const failures: unknown[] = []
    const gate = new Gate()
    let failure: Error | undefined
    let changes = 0
    const file = new (class extends ConfigFile {
      override changed(): void {
        changes++
        super.changed()
      }
    })({
      path: PATH,
      print: () => bytes(String(changes)),
      save: async (_path, content) => {
        await gate.pass()
        const error = failure
        failure = undefined
        if (error !== undefined) throw error
        saves.push(Number(new TextDecoder().decode(content)))
      },
      onFailure: error => failures.push(error)
    })
    const failNext = (error: Error) => {
      failure = error
    }
    return { file, saves, failures, gate, failNext }
  }
})

/** Holds whoever passes while it is closed. */
class Gate {
  #opened = Promise.resolve()
  #open: () => void = () => undefined
  #arrived: Promise<void> = Promise.resolve()
  #arrive: () => void = () => undefined

  close(): void {
    this.#opened = new Promise(resolve => {
      this.#open = resolve
    })
    this.#arrived = new Promise(resolve => {
      this.#arrive = resolve
    })
  }

  open(): void {
    this.#open()
  }

  reached(): Promise<void> {
    return this.#arrived
  }

  pass(): Promise<void> {
    this.#arrive()
    return this.#opened
  }
}
