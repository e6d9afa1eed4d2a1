/** Child processes that print JSON lines. Not here: what the lines mean. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** So much of what a child says on stderr is kept for the error message. */
const STDERR_CHARACTERS_MAX = 4000

/**
 * Runs a command to its end and returns the lines it printed, parsed. With `killAfterLines` the child gets SIGKILL as
 * soon as it has printed so many; what it printed before dying still counts.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ mayEnd: readonly (number | string)[], killAfterLines?: number }} options `mayEnd`: exit codes and signals that are no failure
 * @returns {Promise<any[]>}
 */
export async function linesOf(command, args, { mayEnd, killAfterLines = Number.POSITIVE_INFINITY }) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS_MAX)
  })
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(signal ?? code))
  })
  const lines = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line))
    if (lines.length === killAfterLines) child.kill('SIGKILL')
  }
  const end = await ended
  if (!mayEnd.includes(end)) {
    const shown = args.slice(args.findIndex(argument => argument.endsWith('.mjs') || argument.endsWith('.Main')))
    throw new Error(`${command} ${shown.join(' ')} ended with ${end}\n${stderr}`)
  }
  return lines
}

/** @param {Readonly<Record<string, string | number | boolean | undefined>>} flags in camel case; `undefined` and false are left out */
export function commandLine(flags) {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined || value === false) return []
    const flag = `--${name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
    return value === true ? [flag] : [flag, String(value)]
  })
}
