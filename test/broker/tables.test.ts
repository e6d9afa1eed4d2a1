import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type BrokerTables, openTables, topicConfig } from '../../src/broker/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { newDisk, ROOT, type TableWorldOptions, tableWorld, writeText } from '../support/table-fixtures.ts'

/** Far more turns of the event loop than a save takes. */
const TURNS_MAX = 100
const QUEUE = { topic: 'orders', group: 'g', queueId: 0 }

function opened(options: TableWorldOptions = {}) {
  const world = tableWorld(options)
  return { world, tables: openTables(world) }
}

function change({ topics, groups, offsets }: BrokerTables): void {
  topics.ensure(topicConfig('orders'))
  groups.getOrCreate('g')
  offsets.commit(QUEUE, 5)
}

describe('the tables of a broker', () => {
  test('are all on disk once they are closed', async () => {
    const { tables, world } = opened()
    change(tables)
    await tables.close()
    const { topics, groups, offsets } = openTables({ ...world, files: world.disk.kill() })
    expect(topics.find('orders')).toEqual(topicConfig('orders'))
    expect(groups.find('g')).toBeDefined()
    expect(offsets.find(QUEUE)).toBe(5)
  })

  test('write nothing when they are opened and closed', async () => {
    const { tables, world } = opened()
    await tables.close()
    expect(world.disk.counts.write).toBe(0)
    expect(world.disk.list(join(ROOT, 'config'))).toEqual([])
  })

  test('say so when closing cannot save them, and close the next time', async () => {
    const disk = newDisk()
    const files = new FaultyFiles(disk)
    const { tables, world } = opened({ disk, files })
    files.fail({ kind: 'write', errno: 'ENOSPC' })
    change(tables)
    await expect(tables.close()).rejects.toThrow(/STORE_DISK_FULL/)
    await tables.close()
    expect(openTables({ ...world, files: disk.kill() }).offsets.find(QUEUE)).toBe(5)
  })

  test.each(['topics.json', 'subscriptionGroup.json', 'consumerOffset.json'])(
    'do not open with a %s that cannot be read: it would be lost with the next save',
    name => {
      const disk = newDisk()
      disk.makeDirectory(join(ROOT, 'config'))
      writeText(disk, join(ROOT, 'config', name), '{"dataVer')
      expect(() => opened({ disk })).toThrow(expect.objectContaining({ code: 'CONFIG_FILE_DAMAGED' }))
    }
  )

  test('name the work that recurs and its times, which are those of RocketMQ', () => {
    const { tables } = opened({ config: { flushConsumerOffsetInterval: 1234 } })
    expect(Object.fromEntries(tables.recurring.map(({ name, everyMs }) => [name, everyMs]))).toEqual({
      'save offsets': 1234,
      'save again what could not be saved': 5000,
      'forget silent clients': 10_000,
      'tell members what was put off': 15_000,
      'forget ended locks': 60_000,
      'sample statistics': 10_000,
      'sample rates': 1000
    })
  })

  test('save again what a full disk refused, and offsets, without anybody asking', async () => {
    const disk = newDisk()
    const files = new FaultyFiles(disk)
    const { tables, world } = opened({ disk, files })
    files.fail({ kind: 'write', errno: 'ENOSPC' })
    tables.topics.ensure(topicConfig('orders'))
    await expect(tables.topics.saved()).rejects.toThrow(/STORE_DISK_FULL/)
    tables.offsets.commit(QUEUE, 5)
    for (const { run } of tables.recurring) run()
    for (let turn = 0; turn < TURNS_MAX && !(tables.topics.isSaved && tables.offsets.isSaved); turn++) {
      await new Promise(resolve => setImmediate(resolve))
    }
    const found = openTables({ ...world, files: disk.kill() })
    expect(found.topics.find('orders')).toBeDefined()
    expect(found.offsets.find(QUEUE)).toBe(5)
  })
})
