/** What a file holds, through any kind of `Files`: simulated, faulty or real. */
import type { Files } from '../../src/store/index.ts'

export function contentOf(files: Files, path: string): Uint8Array {
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(file.sizeBytes())
    file.read(bytes, 0)
    return bytes
  } finally {
    file.close()
  }
}
