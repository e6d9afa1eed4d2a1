/**
 * The journal: the ledger of a producer in another process, as a file outside of the store.
 *
 * Each line goes to the system with one call before the producer does the next thing, so it outlives kill -9: at most
 * the last line is cut short, and then what it says had not begun. It would not outlive a loss of power; for that there are
 * the simulated disk, whose ledger is in the memory of the checker, and the log of a disk, in which it stands (block-log.ts).
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Appended } from '../../src/index.ts'
import type { Ledger, Recorder } from './ledger.ts'

export class Journal implements Recorder {
  readonly #file: number
  #pending = ''

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  intend(firstId: number, count: number, queueIndex: number, together: boolean): void {
    this.#pending += `intend ${firstId} ${count} ${queueIndex} ${together ? 1 : 0}\n`
    this.#write()
  }

  /** What is told about the past may wait for the next call: it only makes the checker's knowledge smaller. */
  appended(firstId: number, count: number, { queueOffset, physicalOffset }: Pick<Appended, keyof Place>): void {
    this.#pending += `appended ${firstId} ${count} ${queueOffset} ${physicalOffset}\n`
  }

  flushed(until: number): void {
    this.#pending += `flushed ${until}\n`
    this.#write()
  }

  refused(firstId: number, count: number): void {
    this.#pending += `refused ${firstId} ${count}\n`
    this.#write()
  }

  /** Whatever is still to be told. */
  settle(): void {
    if (this.#pending !== '') this.#write()
  }

  close(): void {
    this.settle()
    closeSync(this.#file)
  }

  #write(): void {
    const line = Buffer.from(this.#pending)
    this.#pending = ''
    for (let done = 0; done < line.length; ) done += writeSync(this.#file, line, done)
  }
}

type Place = Pick<Appended, 'queueOffset' | 'physicalOffset'>

/** Enters what a process has told into the ledger. A process that died before its first word has told nothing. */
export function readJournal(path: string, ledger: Ledger): void {
  if (existsSync(path)) enterJournal(readFileSync(path, 'latin1'), ledger)
}

/** The same of a part of a journal that begins at the beginning of a line. What stands behind the last end of a line was cut short. */
export function enterJournal(text: string, ledger: Ledger): void {
  for (const line of text.split('\n').slice(0, -1)) {
    const [word = '', ...rest] = line.split(' ')
    const [a = 0, b = 0, c = 0, d = 0] = rest.map(Number)
    if (word === 'intend') ledger.intend(a, b, c, d === 1)
    else if (word === 'appended') ledger.appended(a, b, { queueOffset: c, physicalOffset: d } as Place)
    else if (word === 'flushed') ledger.flushed(a)
    else if (word === 'refused') ledger.refused(a, b)
    else throw new Error(`the journal says something that nobody understands: ${line}`)
  }
}
