/** `docs/errors.md`, printed from the catalogue, so that the page and the program cannot disagree. */
import { catalogue } from './errors.ts'

export function errorsDocument(): string {
  const rows = Object.entries(catalogue).map(
    ([code, { says, hint, retryable }]) =>
      `| \`${code}\` | ${cell(says)} | ${cell(hint)} | ${retryable ? 'yes' : 'no'} |`
  )
  return `${[...opening, ...rows].join('\n')}\n`
}

const opening = [
  '# Errors',
  '',
  'Printed from `src/base/errors.ts`; do not edit.',
  '',
  'Whatever goes wrong with the disk, a peer or the call itself is thrown as a `VarveError`. Its `code` is one of the',
  'names below and never changes its meaning; `hint` says what to do; `details` names the file, the error of the system or',
  'the field at fault; `cause` keeps what was thrown first. `retryable` tells whether the same call may succeed later',
  'without being changed. The command line prints all of it and ends with a status of its own.',
  '',
  'An `AssertionError` is not in this table: it says that Varve itself is at fault, and should be reported.',
  '',
  '| code | what happened | what to do | retryable |',
  '|---|---|---|---|'
]

/** A bar would end the cell. */
const cell = (text: string) => text.replaceAll('|', '\\|')
