/** Images of disks with a real file system on them: made, copied, written to. Sparse, so that they take little room. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { MiB } from '../../src/base/index.ts'
import type { DiskWrite } from '../support/disk-log.ts'
import { recordDisk } from './logged-disk.ts'
import { onImage } from './mounted.ts'

export interface FileSystem {
  readonly type: 'ext4' | 'xfs'
  readonly imageBytes: number
  readonly make: readonly string[]
  /** One of these while it is used. */
  readonly mountOptions: readonly string[]
}

export const EXT4: FileSystem = {
  type: 'ext4',
  imageBytes: 128 * MiB,
  // The smallest journal, so that it begins anew again and again.
  make: ['mkfs.ext4', '-q', '-F', '-J', 'size=4', '-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'],
  mountOptions: ['data=ordered', 'data=writeback', 'data=journal']
}

/** On ext4: nothing tells the disk to keep what it was given. */
export const FLUSHES_NOTHING = 'nobarrier'

export const XFS: FileSystem = {
  type: 'xfs',
  // It takes none that is smaller.
  imageBytes: 300 * MiB,
  make: ['mkfs.xfs', '-q', '-K'],
  mountOptions: ['']
}

/** Why none can be made and mounted here, on a disk that is logged; undefined if it can. Files in `directory` are used. */
export async function whyNoFileSystem(directory: string, fileSystem: FileSystem): Promise<string | undefined> {
  const image = join(directory, 'trial')
  try {
    makeFileSystem(image, fileSystem)
    await recordDisk(directory, image, ({ path }) =>
      onImage({ path, type: fileSystem.type, mountOptions: '' }, join(directory, 'disk'), async () => {})
    )
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

export function makeFileSystem(image: string, { make, imageBytes }: FileSystem): void {
  writeFileSync(image, '')
  truncateSync(image, imageBytes)
  run([...make, image])
}

export function copyImage(from: string, to: string): void {
  run(['cp', '--sparse=always', from, to])
}

export function writeImage(image: string, writes: readonly DiskWrite[]): void {
  const file = openSync(image, 'r+')
  try {
    for (const { at, bytes } of writes) writeSync(file, bytes, 0, bytes.byteLength, at)
  } finally {
    closeSync(file)
  }
}

function run([command = '', ...options]: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, options)
  if (error !== undefined) throw new Error(`\`${command}\` cannot be run`)
  if (status !== 0) throw new Error(`\`${command}\` says: ${String(stderr).trim()}`)
}
