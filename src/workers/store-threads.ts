/**
 * Store threads by Piscina: one pool of three for the parts that run as long as the store, one for jobs that grows on
 * demand and shrinks again.
 *
 * A thread that ends although nobody told it to ends the store: a store whose dispatcher is gone would go on
 * acknowledging messages that no reader finds.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { assert, type ErrorReport, errorFromReport, unreachable, VarveError } from '../base/index.ts'
import {
  type FirstFile,
  type MapperKind,
  Progress,
  type QueueTableBytes,
  type Role,
  type RunJob,
  SLOT,
  type StoreThreads,
  type ThreadEvents,
  type ThreadSetup
} from '../store/index.ts'
import { BootingThreads } from './booting-threads.ts'
import type { FromPart, PartTask, ToPart } from './part-messages.ts'
import { entryFile } from './spawn.ts'

export type JobAnswer = { readonly result: unknown } | { readonly error: ErrorReport }

const ROLES: readonly Role[] = ['allocator', 'flusher', 'dispatcher']
/** Reading cold data, saving and scanning side by side; more threads would only take turns on the disk. */
const JOB_THREADS_MAX = 2
const JOB_IDLE_MS = 5_000

interface Answer {
  readonly resolve: (table: QueueTableBytes | undefined) => void
  readonly reject: (error: VarveError) => void
}

export function piscinaThreads(mapper: MapperKind): StoreThreads {
  return new PiscinaThreads(mapper)
}

class PiscinaThreads implements StoreThreads {
  readonly kind = 'workers'
  readonly #mapper: MapperKind
  readonly #ports = new Map<Role, MessagePort>()
  readonly #answers = new Map<number, Answer>()
  readonly #booting = new BootingThreads()
  #jobs: Piscina | undefined
  #parts: Piscina | undefined
  #progress: Progress | undefined
  #events: ThreadEvents | undefined
  /** One for each part: resolves with its last word, or when it can have none. */
  readonly #ends: Promise<void>[] = []
  #nextId = 0
  #stopping = false
  #failed = false
  #lastTable: QueueTableBytes | undefined

  constructor(mapper: MapperKind) {
    this.#mapper = mapper
  }

  warm(): void {
    // The parts allocate next to nothing: with V8's default each would keep 16 MiB for short-lived objects.
    this.#parts ??= new Piscina({
      filename: entryFile('part'),
      minThreads: ROLES.length,
      maxThreads: ROLES.length,
      atomics: 'disabled',
      resourceLimits: { maxYoungGenerationSizeMb: 2 }
    })
    this.#booting.look(this.#parts.threads)
  }

  readonly runJob = (async job => {
    this.#jobs ??= new Piscina({
      filename: entryFile('job'),
      minThreads: 0,
      maxThreads: JOB_THREADS_MAX,
      idleTimeout: JOB_IDLE_MS,
      atomics: 'disabled'
    })
    const answered = this.#jobs.run({ job, mapper: this.#mapper })
    this.#booting.look(this.#jobs.threads)
    const answer = (await answered) as JobAnswer
    if ('error' in answer) throw errorFromReport(answer.error)
    return answer.result
  }) as RunJob // The result type follows from the job's.

  async start(setup: ThreadSetup, events: ThreadEvents): Promise<void> {
    this.#events = events
    this.#progress = new Progress(setup.progress)
    this.warm()
    await Promise.all(ROLES.map(role => this.#startPart(role, setup)))
  }

  wake(role: Role): void {
    this.#progress?.wakeIfAsleep(role)
  }

  announce(queue: Parameters<StoreThreads['announce']>[0]): void {
    this.#post('dispatcher', { type: 'announce', queue })
  }

  async forgetTopic(topic: string, until: number): Promise<void> {
    await this.#ask(id => ({ type: 'forget', id, topic, until }))
  }

  async logBeginsAt(physicalOffset: number, firstFiles: readonly FirstFile[]): Promise<void> {
    await this.#ask(id => ({ type: 'logBeginsAt', id, physicalOffset, firstFiles }))
  }

  async queueTable(): Promise<QueueTableBytes> {
    const table = await this.#ask(id => ({ type: 'queueTable', id }))
    assert(table !== undefined, 'the answer to a question for the table is the table')
    return table
  }

  hold(waiting: boolean): void {
    const port = this.#ports.get('flusher')
    if (waiting) port?.ref()
    else port?.unref()
  }

  async stop(): Promise<QueueTableBytes> {
    this.#stopping = true
    for (const port of this.#ports.values()) port.ref()
    this.#progress?.setCount(SLOT.stop, 1)
    for (const role of ROLES) this.#wakeForGood(role)
    await Promise.all(this.#ends)
    await this.#destroy()
    // Without a failure there is one; with a failure the caller asks for no table.
    if (this.#lastTable === undefined) throw new VarveError('STORE_THREAD_DIED', { thread: 'dispatcher' })
    return this.#lastTable
  }

  async kill(): Promise<void> {
    this.#stopping = true
    this.#progress?.setCount(SLOT.stop, 1)
    for (const role of ROLES) this.#wakeForGood(role)
    await this.#destroy()
  }

  async #destroy(): Promise<void> {
    for (const port of this.#ports.values()) port.close()
    await this.#booting.settled()
    await Promise.all([this.#parts?.destroy(), this.#jobs?.destroy()])
  }

  #wakeForGood(role: Role): void {
    const progress = this.#progress
    if (progress === undefined) return
    const slot = { allocator: SLOT.wakeAllocator, flusher: SLOT.wakeFlusher, dispatcher: SLOT.wakeDispatcher }[role]
    progress.addCount(slot)
    progress.notify(slot)
  }

  #startPart(role: Role, setup: ThreadSetup): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    this.#ports.set(role, port1)
    let hasEnded = false
    let ended: () => void = () => {}
    this.#ends.push(
      new Promise(resolve => {
        ended = () => {
          hasEnded = true
          resolve()
        }
      })
    )
    return new Promise((resolve, reject) => {
      port1.on('message', (message: FromPart) => {
        if (message.type === 'started') return resolve()
        if (message.type === 'failed') reject(errorFromReport(message.error))
        this.#handle(role, message)
        if (message.type === 'failed' || message.type === 'stopped') ended()
      })
      port1.unref()
      const task: PartTask = { role, setup, port: port2 }
      this.#parts?.run(task, { transferList: [port2] }).catch((error: unknown) => {
        if (hasEnded) return // It had nothing more to do when the pool was taken down.
        // The thread is gone without a last word.
        this.#fail(new VarveError('STORE_THREAD_DIED', { thread: role }, { cause: error }))
        reject(error)
        ended()
      })
    })
  }

  #handle(role: Role, message: Exclude<FromPart, { type: 'started' }>): void {
    switch (message.type) {
      case 'flushed':
        return this.#events?.flushed()
      case 'damaged':
        return this.#events?.damaged(message.range)
      case 'done':
      case 'queueTable': {
        const answer = this.#answers.get(message.id)
        this.#answers.delete(message.id)
        return answer?.resolve(message.type === 'done' ? undefined : message.table)
      }
      case 'refused': {
        const answer = this.#answers.get(message.id)
        this.#answers.delete(message.id)
        return answer?.reject(errorFromReport(message.error))
      }
      case 'failed':
        return this.#fail(errorFromReport(message.error))
      case 'stopped':
        if (message.table !== undefined) this.#lastTable = message.table
        if (!this.#stopping) this.#fail(new VarveError('STORE_THREAD_DIED', { thread: role }))
        return
      default:
        return unreachable(message)
    }
  }

  #fail(error: VarveError): void {
    if (this.#failed) return
    this.#failed = true
    for (const answer of this.#answers.values()) answer.reject(error)
    this.#answers.clear()
    this.#events?.failed(error)
  }

  #post(role: Role, message: ToPart): void {
    this.#ports.get(role)?.postMessage(message)
    this.wake(role)
  }

  #ask(question: (id: number) => ToPart): Promise<QueueTableBytes | undefined> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.#post('dispatcher', question(id))
      this.#wakeForGood('dispatcher')
    })
  }
}
