/** A process that runs cases, one at a time, for scenarios that keep a processor busy. What it does stands in case-process.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Scenario, Size, Tally } from './scenario.ts'

export interface CaseTask {
  readonly scenario: string
  readonly seed: number
  readonly directory: string
  readonly size: Size
}

export interface Failure {
  readonly message: string
  readonly stack: string | undefined
  readonly because: string | undefined
}

export type CaseOutcome = { readonly tally: Tally } | { readonly failure: Failure }

const ENTRY = fileURLToPath(new URL('case-process.js', import.meta.url))

export class CaseChild {
  readonly #scenario: string
  #child: ChildProcess | undefined

  constructor({ name }: Scenario) {
    this.#scenario = name
  }

  /** @throws whatever the case throws, or that its process has died over it */
  run(seed: number, directory: string, size: Size): Promise<Tally> {
    const child = this.#child ?? fork(ENTRY)
    this.#child = child
    return new Promise((resolve, reject) => {
      const died = (status: number | null, signal: NodeJS.Signals | null): void => {
        this.#child = undefined
        reject(new Error(`the process of the case ended with ${signal ?? status}`))
      }
      child.once('exit', died)
      child.once('message', (outcome: CaseOutcome) => {
        child.off('exit', died)
        if ('tally' in outcome) resolve(outcome.tally)
        else reject(errorOf(outcome.failure))
      })
      const task: CaseTask = { scenario: this.#scenario, seed, directory, size }
      child.send(task)
    })
  }

  end(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
}

function errorOf({ message, stack, because }: Failure): Error {
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  if (because !== undefined) error.cause = Object.assign(new Error(), { stack: because })
  return error
}
