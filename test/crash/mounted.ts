/** A file system of its own for a case: small, in memory, and gone afterwards. Needs root. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

/** Why none can be mounted, or undefined if it can. `place` is made, and used for trying. */
export function whyNoMount(place: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting a file system takes root on Linux'
  const failed = mount(place, 1)
  if (failed !== undefined) return failed
  unmount(place)
  return undefined
}

/** Runs `work` with an empty file system of so many bytes at `place`. */
export async function onFileSystem<Result>(place: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
  const failed = mount(place, bytes)
  if (failed !== undefined) throw new Error(failed)
  try {
    return await work()
  } finally {
    unmount(place)
  }
}

function mount(place: string, bytes: number): string | undefined {
  mkdirSync(place, { recursive: true })
  const size = Math.max(1, Math.ceil(bytes / 4096)) * 4096
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place])
  return status === 0 ? undefined : `\`mount\` says: ${String(stderr).trim()}`
}

function unmount(place: string): void {
  spawnSync('umount', ['-l', place])
}
