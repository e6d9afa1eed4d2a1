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
  #common
  #last = Promise.resolve()

  /** @param {{ home: string, nameServer?: string }} options without a name server each command must name one */
  constructor({ home, nameServer }) {
    mkdirSync(home, { recursive: true })
    this.#process = new ClientProcess({ command: 'java', args: apacheJava({ home, main: program }), cwd: home })
    this.#common = nameServer === undefined ? [] : ['-n', nameServer]
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
      const text = await this.#process.run({ do: [...command, ...this.#common] })
      return text.split('\n').filter(line => line.trim() !== '' && !LOGGER_TALK.test(line))
    }
    const said = this.#last.then(run)
    this.#last = said.catch(() => undefined)
    return said
  }

  /** Rows of a table, by the names in its heading, which say what each is. */
  async table(...command) {
    const lines = await this.run(...command)
    const heading = lines.find(line => line.startsWith('#'))
    if (heading === undefined) throw new Error(`no table: ${lines.join('\n')}`)
    const names = [...heading.matchAll(/#([^#]+)/g)]
    const rows = lines.slice(lines.indexOf(heading) + 1)
    return rows.map(row => {
      const cells = row.trim().split(/\s{2,}/)
      return Object.fromEntries(names.map(([, name], index) => [name.trim(), cells[index]]))
    })
  }

  kill() {
    return this.#process.kill()
  }
}
