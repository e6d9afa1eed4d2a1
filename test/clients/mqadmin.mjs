/** Apache RocketMQ's command-line tool: its commands, and what they print as lines. */
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { apacheJava } from './apache-servers.mjs'
import { ClientProcess } from './client-process.mjs'

const program = fileURLToPath(new URL('apache/Mqadmin.java', import.meta.url))
/** What Java's logger prints about itself. */
const LOGGER_TALK = /\|-(INFO|WARN)/
const FAILURE = /Exception/

export class Mqadmin {
  #process
  #nameServer
  #last = Promise.resolve()

  /** @param {{ home: string, nameServer: string }} options */
  constructor({ home, nameServer }) {
    mkdirSync(home, { recursive: true })
    this.#process = new ClientProcess({ command: 'java', args: apacheJava({ home, main: program }), cwd: home })
    this.#nameServer = nameServer
  }

  /**
   * The lines that a command prints. @throws when it prints an exception
   *
   * @returns {Promise<string[]>}
   */
  async run(...command) {
    const lines = await this.said(...command)
    if (lines.some(line => FAILURE.test(line))) throw new Error(`mqadmin ${command.join(' ')}: ${lines.join('\n')}`)
    return lines
  }

  /** The same, whatever it prints. One command at a time: it prints to one place. */
  said(...command) {
    const run = async () => {
      const text = await this.#process.run({ do: [...command, '-n', this.#nameServer] })
      return text.split('\n').filter(line => line.trim() !== '' && !LOGGER_TALK.test(line))
    }
    const said = this.#last.then(run)
    this.#last = said.catch(() => undefined)
    return said
  }

  /** Rows of a table, split at spaces, without its heading. */
  async table(...command) {
    return (await this.run(...command))
      .filter(line => !line.startsWith('#'))
      .map(line => line.trim().split(/\s{2,}|\s+/))
  }

  kill() {
    return this.#process.kill()
  }
}
