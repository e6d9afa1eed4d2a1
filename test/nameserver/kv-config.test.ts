import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import type { WireJson } from '../../src/nameserver/json.ts'
import { KvConfig, type KvStorage } from '../../src/nameserver/kv-config.ts'

class Kept implements KvStorage {
  content: WireJson | undefined
  saves = 0
  failing = false

  load(): WireJson | undefined {
    return this.content
  }

  async save(content: Uint8Array): Promise<void> {
    if (this.failing) throw new VarveError('STORE_DISK_FULL')
    this.saves++
    this.content = JSON.parse(new TextDecoder().decode(content))
  }
}

describe('the key-value settings', () => {
  test('are kept as Apache RocketMQ keeps them, and found after a restart', async () => {
    const storage = new Kept()
    const kv = new KvConfig(storage)
    await kv.put('n', 'k', 'v')
    await kv.put('n', '__proto__', 'harmless')
    await kv.put('m', 'k', 'w')
    await kv.delete('m', 'k')
    expect(JSON.stringify(storage.content)).toBe('{"configTable":{"n":{"k":"v","__proto__":"harmless"},"m":{}}}')
    const reopened = new KvConfig(storage)
    expect([reopened.find('n', 'k'), reopened.find('n', '__proto__'), reopened.find('m', 'k')]).toEqual([
      'v',
      'harmless',
      undefined
    ])
  })

  test('are not saved for a deletion that changes nothing', async () => {
    const storage = new Kept()
    await new KvConfig(storage).delete('n', 'k')
    expect(storage.saves).toBe(0)
  })

  test('tell who changes them that saving failed, and are saved whole the next time', async () => {
    const storage = new Kept()
    const kv = new KvConfig(storage)
    storage.failing = true
    await expect(kv.put('n', 'a', '1')).rejects.toMatchObject({ code: 'STORE_DISK_FULL' })
    storage.failing = false
    await kv.put('n', 'b', '2')
    expect(storage.content).toEqual({ configTable: { n: { a: '1', b: '2' } } })
  })

  test('cannot fill the memory', async () => {
    const kv = new KvConfig(new Kept())
    await expect(kv.put('n', 'k', 'x'.repeat(100_000))).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    await Promise.all(Array.from({ length: 20_000 }, (_, item) => kv.put('n', String(item), '')))
    await expect(kv.put('n', 'one more', '')).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    await expect(kv.put('n', '5', 'changed')).resolves.toBeUndefined()
  })

  test('are saved once for many changes of one moment', async () => {
    const storage = new Kept()
    const kv = new KvConfig(storage)
    await Promise.all(Array.from({ length: 1000 }, (_, item) => kv.put('n', String(item), '')))
    expect(storage.saves).toBeLessThanOrEqual(2)
    expect(new KvConfig(storage).find('n', '999')).toBe('')
  })

  test.each<{ content: WireJson }>([
    { content: null },
    { content: [] },
    { content: { configTable: { n: 'x', m: { k: 5 } } } }
  ])('start empty from what is not theirs: $content', ({ content }) => {
    const storage = new Kept()
    storage.content = content
    expect(new KvConfig(storage).find('n', 'k')).toBeUndefined()
  })
})
