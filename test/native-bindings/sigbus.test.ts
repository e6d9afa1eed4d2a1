import { describe, expect, test } from 'vitest'
import { fileOf, inChild, PAGE } from './fixtures.ts'

describe('a SIGBUS', () => {
  test('from a file that was shortened names file and offset, then ends the process as it would have', () => {
    const { path } = fileOf(3 * PAGE)
    const { signal, stderr } = inChild(`
      const path = ${JSON.stringify(path)}
      const file = fs.openSync(path, 'r+')
      native.installSigbusHandler()
      native.installSigbusHandler()
      const others = [1, 2, 3].map(() => native.map(file, ${PAGE}, true, 'another file'))
      native.unmap(others[1])
      const bytes = new Uint8Array(native.map(file, ${3 * PAGE}, true, path))
      fs.ftruncateSync(file, ${PAGE})
      bytes[0] = 1
      bytes[${2 * PAGE + 7}] = 1
      console.error('not reached')
    `)
    expect(stderr).toContain(`varve: SIGBUS at byte ${2 * PAGE + 7} of ${path}: the mapped file was shortened`)
    expect(stderr).not.toContain('not reached')
    expect(signal).toBe('SIGBUS')
  })

  test('from where another file was mapped before names the file that is mapped now', () => {
    const { path } = fileOf(2 * PAGE)
    const { signal, stdout, stderr } = inChild(`
      native.installSigbusHandler()
      const file = fs.openSync(${JSON.stringify(path)}, 'r+')
      const map = (bytes, name) => {
        const view = new Uint8Array(native.map(file, bytes, true, name))
        return { view, address: native.addressOf(view) }
      }
      // Released in the order in which the new mapping takes the entry of the second, and leaves that of the first.
      const second = map(${PAGE}, 'gone')
      const first = map(${PAGE}, 'gone')
      native.unmap(first.view.buffer)
      native.unmap(second.view.buffer)
      let now
      let at
      for (let round = 0; round < 100; round += 1) {
        now = map(${2 * PAGE}, 'there')
        at = first.address - now.address
        if (at >= 0 && at < ${2 * PAGE}) break
      }
      fs.writeSync(1, String(at))
      fs.ftruncateSync(file, 0)
      now.view[at] = 1
    `)
    expect(['0', String(PAGE)]).toContain(stdout)
    expect(stderr).toContain(`varve: SIGBUS at byte ${stdout} of there: the mapped file was shortened`)
    expect(signal).toBe('SIGBUS')
  })

  test('that was sent rather than raised names no file', () => {
    const { path } = fileOf(PAGE)
    const { signal, stderr } = inChild(`
      native.installSigbusHandler()
      const file = fs.openSync(${JSON.stringify(path)}, 'r+')
      native.unmap(native.map(file, ${PAGE}, true, ${JSON.stringify(path)}))
      process.kill(process.pid, 'SIGBUS')
    `)
    expect(stderr).toBe('varve: SIGBUS outside of all mapped files; the process ends\n')
    expect(signal).toBe('SIGBUS')
  })

  test('shows the end of a path that is too long for it', () => {
    const { path } = fileOf(PAGE)
    const name = `${'x'.repeat(1000)}end`
    const { stderr } = inChild(`
      native.installSigbusHandler()
      const file = fs.openSync(${JSON.stringify(path)}, 'r+')
      const bytes = new Uint8Array(native.map(file, ${PAGE}, true, ${JSON.stringify(name)}))
      fs.ftruncateSync(file, 0)
      bytes[0] = 1
    `)
    expect(stderr).toMatch(/of x{300,500}end: the mapped file/)
  })
})
