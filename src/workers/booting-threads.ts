/**
 * Which threads of a pool are still coming up. Node ends the whole process if a thread is ended while it links its
 * modules ("IsGraphAsync must be used on an instantiated module"), so whoever takes a pool down waits for these first.
 */
import type { Worker } from 'node:worker_threads'

export class BootingThreads {
  readonly #seen = new WeakSet<Worker>()
  readonly #booting = new Map<Worker, Promise<void>>()

  /** After anything that may have started threads. The first word of each says that it is up. */
  look(threads: readonly Worker[]): void {
    for (const thread of threads) {
      if (this.#seen.has(thread)) continue
      this.#seen.add(thread)
      this.#booting.set(thread, this.#up(thread))
    }
  }

  /** Resolves when none is coming up. Holds the process until then, which would else end them itself. */
  async settled(): Promise<void> {
    for (const thread of this.#booting.keys()) thread.ref()
    await Promise.all(this.#booting.values())
  }

  #up(thread: Worker): Promise<void> {
    return new Promise(resolve => {
      const up = (): void => {
        thread.off('message', up).off('exit', up)
        this.#booting.delete(thread)
        resolve()
      }
      thread.on('message', up).on('exit', up)
    })
  }
}
