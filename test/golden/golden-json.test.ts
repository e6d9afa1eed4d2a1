import { describe, expect, test } from 'vitest'
import { parseJavaJson, printJavaJson } from '../../src/layout/index.ts'
import { goldenJson } from './golden-store.ts'

describe('files of config/ that Apache RocketMQ wrote', () => {
  test.each(['consumerOffset.json', 'consumerOffset-1.2.83.json'])('%s reads with its unquoted keys', file => {
    const queues = { '0': 250, '1': 9223372036854775807n, '10': -1 }
    expect(parseJavaJson(goldenJson(file))).toEqual({
      dataVersion: { counter: 0, stateVersion: 0, timestamp: 1758276000000 },
      offsetTable: {
        '%RETRY%GID_a@GID_a': { '0': 9007199254740992n },
        'orders@GID_a': queues,
        'same.as [above]@GID_a': queues
      }
    })
  })

  test.each(['topics.json', 'topics-1.2.83.json'])('%s reads alike, with a reference and without', file => {
    const topic = {
      topicName: 'größer',
      perm: 6,
      attributes: { '+message.type': 'FIFO' },
      topicFilterType: 'SINGLE_TAG'
    }
    expect(parseJavaJson(goldenJson(file))).toMatchObject({
      topicConfigTable: { größer: topic, '%DLQ%again': topic }
    })
  })

  test('a file without unquoted keys comes out the same when we write it', () => {
    const text = goldenJson('topics.json')
    expect(printJavaJson(parseJavaJson(text))).toBe(text)
  })
})
