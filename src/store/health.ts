/**
 * Health: whether the store may still be written to, and what to say when it may not.
 *
 * Invariants:
 * - the first failure is the one that is told, for good: a store never becomes healthy again while it is open
 * - a failed store still answers reads, a closed one answers nothing
 */
import { assert, VarveError } from '../base/index.ts'

export class Health {
  /** Resolves with the failure that ended writing, if one ever does. */
  readonly failed: Promise<VarveError>
  readonly #directory: string
  #announce: (error: VarveError) => void = () => {}
  #failure: VarveError | undefined
  #state: 'open' | 'closing' | 'closed' = 'open'

  constructor(directory: string) {
    this.#directory = directory
    this.failed = new Promise(resolve => {
      this.#announce = resolve
    })
  }

  get failure(): VarveError | undefined {
    return this.#failure
  }

  get state(): 'open' | 'poisoned' | 'closed' {
    if (this.#state === 'closed') return 'closed'
    return this.#failure === undefined ? 'open' : 'poisoned'
  }

  get isClosing(): boolean {
    return this.#state !== 'open'
  }

  /** True for the first failure. */
  fail(error: VarveError): boolean {
    if (this.#failure !== undefined) return false
    this.#failure = error
    this.#announce(error)
    return true
  }

  beginClosing(): void {
    this.#state = 'closing'
  }

  endClosing(): void {
    this.#state = 'closed'
  }

  /** What every call that writes is answered after a failure. */
  refusal(): VarveError {
    assert(this.#failure !== undefined, 'there is a failure to tell of')
    const { code, details } = this.#failure
    return new VarveError('STORE_POISONED', { because: code, ...details }, { cause: this.#failure })
  }

  /** @throws VarveError STORE_CLOSED */
  checkOpen(): void {
    if (this.#state === 'closed') throw this.#closed()
  }

  /** @throws VarveError STORE_CLOSED, STORE_POISONED */
  checkWritable(): void {
    if (this.#state !== 'open') throw this.#closed()
    if (this.#failure !== undefined) throw this.refusal()
  }

  #closed(): VarveError {
    return new VarveError('STORE_CLOSED', { directory: this.#directory })
  }
}
