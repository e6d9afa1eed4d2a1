/**
 * A client of RocketMQ in a process of its own: commands go in, answers and the journal come out, as JSON lines. Which
 * client it is and in which language does not matter here.
 */
import { createInterface } from 'node:readline'
import { startChild } from './children.mjs'

/** So much of what it says on stderr is kept for the error message. */
const STDERR_CHARACTERS_MAX = 4000
/** A client that is stopped tells brokers so; one that does not end is killed. */
const STOP_MS_MAX = 15_000

export class ClientProcess {
  #child
  #ended
  #stderr = ''
  #calls = new Map()
  #callCount = 0
  #watchers = new Set()
  #defaults
  /** Everything it did, in order, each with the time at which it was heard of. */
  journal = []

  /** @param {{ command: string, args: readonly string[], env?: object, cwd?: string, defaults?: object }} start `defaults` are in each command */
  constructor({ command, args, env = {}, cwd, defaults = {} }) {
    this.#defaults = defaults
    this.#child = startChild(command, args, { cwd, env })
    this.#child.stderr.setEncoding('utf8').on('data', text => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS_MAX)
    })
    this.#child.stdin.on('error', () => {
      // It was killed; `ended` says so to all that wait.
    })
    createInterface({ input: this.#child.stdout }).on('line', line => this.#take(line))
    this.#ended = new Promise(resolve => {
      this.#child.once('error', error => resolve(String(error)))
      this.#child.once('close', (code, signal) => resolve(signal ?? code))
    })
    void this.#ended.then(end => {
      for (const { reject } of this.#calls.values()) reject(new Error(`the client ended with ${end}: ${this.#stderr}`))
    })
  }

  get pid() {
    return this.#child.pid
  }

  /** Resolves with the result of a command, rejects with the error that it answered. */
  run(command) {
    const call = ++this.#callCount
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject, command })
      this.#child.stdin.write(`${JSON.stringify({ call, ...this.#defaults, ...command })}\n`)
    })
  }

  /** Events of one kind, of one client of the process if it is named. */
  events(event, by) {
    return this.journal.filter(line => line.event === event && (by === undefined || line.by === by))
  }

  /** Calls `look` after each event until it returns true. The caller limits the time. */
  watch(look) {
    this.#watchers.add(look)
    return () => this.#watchers.delete(look)
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Ends its input: it stops its clients in order and ends. */
  async stop() {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX)
    await this.#ended
    clearTimeout(timer)
  }

  #take(text) {
    // Some libraries print to stdout whatever one does.
    if (!text.startsWith('{')) return
    const line = JSON.parse(text)
    if (line.call === undefined) {
      this.journal.push({ ...line, atMs: performance.now() })
      for (const look of this.#watchers) look()
      return
    }
    const waiting = this.#calls.get(line.call)
    this.#calls.delete(line.call)
    if (line.error === undefined) waiting?.resolve(line.result)
    else waiting?.reject(Object.assign(new Error(`${waiting.command.do}: ${line.error}`), { answer: line.error }))
  }
}
