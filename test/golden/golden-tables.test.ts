import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type BrokerTables, groupConfigJson, openTables, topicConfigJson } from '../../src/broker/index.ts'
import { newDisk, ROOT, tableWorld, writeText } from '../support/table-fixtures.ts'
import { goldenConfig } from './golden-store.ts'

const FILES = ['topics.json', 'subscriptionGroup.json', 'consumerOffset.json']

type Line = Readonly<Record<string, unknown>> & { readonly kind: string }

const listing = goldenConfig('listing.jsonl')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Line)

function openedGolden() {
  const disk = newDisk()
  disk.makeDirectory(join(ROOT, 'config'))
  for (const name of FILES) writeText(disk, join(ROOT, 'config', name), goldenConfig(name))
  const world = tableWorld({ disk })
  return { world, tables: openTables(world) }
}

/** As Apache's side lists them. */
function linesOf({ topics, groups, offsets }: BrokerTables): Line[] {
  const lines: Line[] = []
  for (const topic of topics.all()) lines.push({ kind: 'topic', ...topicConfigJson(topic) })
  for (const group of groups.all()) {
    lines.push({ kind: 'group', ...groupConfigJson(group), subscriptionDataSet: group.subscriptions })
  }
  for (const [group, masks] of Object.entries(groups.forbiddenJson())) {
    for (const [topic, mask] of Object.entries(masks)) lines.push({ kind: 'forbidden', group, topic, mask })
  }
  for (const [key, queues] of Object.entries(offsets.json()).sort()) {
    for (const [queueId, offset] of Object.entries(queues)) {
      lines.push({ kind: 'offset', key, queueId: Number(queueId), offset })
    }
  }
  for (const [table, { version }] of Object.entries({ topics, groups, offsets })) {
    lines.push({ kind: 'version', table, counter: version.counter, stateVersion: version.stateVersion })
  }
  return lines
}

describe('the tables that managers of Apache RocketMQ saved', () => {
  test('hold for Varve what those managers list of them', () => {
    expect(linesOf(openedGolden().tables)).toEqual(listing)
  })

  test('come back the same once Varve has saved them', async () => {
    const { tables, world } = openedGolden()
    tables.topics.ensureRetryTopic({ group: 'g', queueCount: 1, isOrdered: false, isUnit: false })
    tables.groups.getOrCreate('g')
    tables.offsets.commit({ topic: 't', group: 'g', queueId: 0 }, 1)
    await tables.close()
    const found = openTables({ ...world, files: world.disk.kill() })
    expect(linesOf(found)).toEqual(linesOf(tables))
    for (const line of listing.filter(({ kind }) => kind !== 'version')) expect(linesOf(found)).toContainEqual(line)
  })
})
