/** A file system of its own for a case: small, in memory or in an image, and gone afterwards. Needs root on Linux. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
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

/** The kernel did not take the image for a file system that it can use. */
export class ImageRefused extends Error {
  override readonly name = 'ImageRefused'
}

export interface Image {
  /** Any file; a loop device is made of it. */
  readonly path: string
  readonly type: string
  readonly mountOptions: string
}

/**
 * Runs `work` with the file system of the image at `place`, as it is there after its own recovery. When this returns, the
 * image has everything. @throws ImageRefused
 */
export async function onImage<Result>(image: Image, place: string, work: () => Promise<Result>): Promise<Result> {
  mkdirSync(place, { recursive: true })
  const options = ['loop', ...(image.mountOptions === '' ? [] : [image.mountOptions])].join(',')
  const mounted = spawnSync('mount', ['-t', image.type, '-o', options, image.path, place])
  if (mounted.status !== 0) throw new ImageRefused(`\`mount\` says: ${said(mounted)}`)
  let result: Result
  try {
    result = await work()
  } catch (error) {
    unmount(place)
    throw error
  }
  // Not lazily: whatever still uses the file system is a defect.
  const unmounted = spawnSync('umount', [place])
  if (unmounted.status !== 0) {
    unmount(place)
    throw new Error(`\`umount\` says: ${said(unmounted)}`)
  }
  return result
}

function mount(place: string, bytes: number): string | undefined {
  mkdirSync(place, { recursive: true })
  const size = Math.max(1, Math.ceil(bytes / 4096)) * 4096
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place])
  return mounted.status === 0 ? undefined : `\`mount\` says: ${said(mounted)}`
}

const said = ({ stderr, error }: SpawnSyncReturns<Buffer>): string => error?.message ?? String(stderr).trim()

/** At once, even if somebody still uses it. */
export function unmount(place: string): void {
  spawnSync('umount', ['-l', place])
}
