/** The machine as a report names it: figures mean nothing without. */
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** `directory` is where the measured files lie: on a file system in memory a sync costs nothing and proves nothing. */
export function machineFacts(directory?: string): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    ...(directory === undefined ? {} : { fileSystem: fileSystemOf(directory) })
  }
}

/** Magic numbers of statfs(2). */
const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs (memory: syncs cost nothing here)'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs']
])

function fileSystemOf(directory: string): string {
  const { type } = statfsSync(directory)
  return FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`
}
