/** The peers as contenders: installed when first asked for, left out with a reason where that fails. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Contender, caseProcess } from '../harness.ts'
import { benchDirectory } from './peers.ts'

/** A contender that needs the packages of bench/package.json. */
export function peerProcess(name: 'lmdb' | 'sqlite' | 'level', settings: Readonly<Record<string, unknown>>): Contender {
  return { ...caseProcess(name, `peers/${name}.case.ts`, settings), isPeer: true, whyNot: installPeers }
}

/** Takes a minute where a peer has no binary for this platform and is compiled. */
function installPeers(progress: (line: string) => void): string | undefined {
  // npm writes this file last, so it tells an installation that was cut short from a whole one.
  const installed = join(benchDirectory, 'node_modules', '.package-lock.json')
  if (existsSync(installed)) return undefined
  progress('installing the peers into bench/node_modules (once)')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const { status } = spawnSync(npm, ['ci', '--no-audit', '--no-fund'], {
    cwd: benchDirectory,
    stdio: ['ignore', 'ignore', 'inherit']
  })
  return status === 0 ? undefined : `npm ci in bench/ ended with ${status}`
}
