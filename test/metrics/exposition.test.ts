import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../src/base/index.ts'
import { exposition, expositionPieces, Registry } from '../../src/metrics/index.ts'

describe('the metrics as text', () => {
  test('of counters and gauges have help, type and one line per set of labels', () => {
    const registry = new Registry()
    registry.counter({ name: 'varve_reads_total', help: 'Reads.', labels: { kind: 'hit' } }).add()
    registry.counter({ name: 'varve_reads_total', help: 'Reads.', labels: { kind: 'miss' } }).add(2)
    registry.gauge({ name: 'varve_connections', help: 'Open connections.' }).set(3)
    expect(exposition(registry)).toBe(
      [
        '# HELP varve_reads_total Reads.',
        '# TYPE varve_reads_total counter',
        'varve_reads_total{kind="hit"} 1',
        'varve_reads_total{kind="miss"} 2',
        '# HELP varve_connections Open connections.',
        '# TYPE varve_connections gauge',
        'varve_connections 3',
        ''
      ].join('\n')
    )
  })

  test('of a histogram count upwards to +Inf, in the unit of its name', () => {
    const registry = new Registry()
    const options = { recordedPerUnit: 1e9, octaves: { from: 10, until: 12 } }
    const histogram = registry.histogram({
      name: 'varve_flush_seconds',
      help: 'Flushes.',
      labels: { disk: 'a' },
      ...options
    })
    for (const ns of [1_000, 1_024, 3_000, 1_000_000_000]) histogram.record(ns)
    expect(exposition(registry).split('\n').slice(1, -1)).toEqual([
      '# TYPE varve_flush_seconds histogram',
      'varve_flush_seconds_bucket{disk="a",le="0.000001024"} 2',
      'varve_flush_seconds_bucket{disk="a",le="0.000002048"} 2',
      'varve_flush_seconds_bucket{disk="a",le="0.000004096"} 3',
      'varve_flush_seconds_bucket{disk="a",le="+Inf"} 4',
      'varve_flush_seconds_sum{disk="a"} 1.000005024',
      'varve_flush_seconds_count{disk="a"} 4'
    ])
  })

  test('of a sampled family are taken when they are asked for', () => {
    const registry = new Registry()
    const topics = ['a']
    registry.sampled({ name: 'varve_topic_size', help: 'Sizes.' }, 'gauge', () =>
      topics.map(topic => ({ labels: { topic }, value: 1 }))
    )
    topics.push('b')
    expect(exposition(registry).split('\n').slice(1, -1)).toEqual([
      '# TYPE varve_topic_size gauge',
      'varve_topic_size{topic="a"} 1',
      'varve_topic_size{topic="b"} 1'
    ])
    topics.length = 0
    expect(exposition(registry)).toBe('')
  })

  test('carry the labels that all of them have in common first', () => {
    const registry = new Registry()
    registry.gauge({ name: 'g', help: 'G.', labels: { topic: 'x' } }).set(1)
    expect(exposition(registry, { cluster: 'c' })).toContain('\ng{cluster="c",topic="x"} 1\n')
  })

  test('come in pieces of bounded size, whose sum is the whole', () => {
    const registry = new Registry()
    registry.sampled({ name: 'many', help: 'Many.' }, 'gauge', function* () {
      for (let i = 0; i < 1000; i++) yield { labels: { queue: String(i) }, value: i }
    })
    const pieces = [...expositionPieces(registry)]
    expect(pieces).toHaveLength(4)
    expect(pieces.join('')).toBe(exposition(registry))
    expect(exposition(registry).split('\n')).toHaveLength(1003)
  })

  test('escape what labels and help may hold', () => {
    const registry = new Registry()
    registry.gauge({ name: 'g', help: 'a\\b\nc', labels: { topic: 'x"y\\z\n' } }).set(1)
    expect(exposition(registry)).toBe('# HELP g a\\\\b\\nc\n# TYPE g gauge\ng{topic="x\\"y\\\\z\\n"} 1\n')
  })

  test.each([
    { value: Number.POSITIVE_INFINITY, text: '+Inf' },
    { value: Number.NEGATIVE_INFINITY, text: '-Inf' },
    { value: Number.NaN, text: 'NaN' },
    { value: 1e21, text: '1e+21' }
  ])('spell $value as $text', ({ value, text }) => {
    const registry = new Registry()
    registry.gauge({ name: 'g', help: 'G.' }).set(value)
    expect(exposition(registry)).toContain(`\ng ${text}\n`)
  })

  test('ask a read gauge at that moment', () => {
    const registry = new Registry()
    let lag = 1
    registry.readGauge({ name: 'varve_lag_bytes', help: 'Lag.' }, () => lag)
    lag = 2
    expect(exposition(registry)).toContain('varve_lag_bytes 2\n')
  })
})

describe('a registry', () => {
  test('hands out the same instrument for the same name and labels, in any order', () => {
    const registry = new Registry()
    const metric = { name: 'varve_reads_total', help: 'Reads.' }
    const first = registry.counter({ ...metric, labels: { a: '1', b: '2' } })
    expect(registry.counter({ ...metric, labels: { b: '2', a: '1' } })).toBe(first)
    expect(registry.counter({ ...metric, labels: { a: '1', b: '3' } })).not.toBe(first)
  })

  test('forgets what is removed, and leaves no empty family in the text', () => {
    const registry = new Registry()
    registry.gauge({ name: 'g', help: 'G.', labels: { topic: 'a' } }).add(-2)
    expect(exposition(registry)).toContain('g{topic="a"} -2')
    registry.remove('g', { topic: 'a' })
    registry.remove('g', { topic: 'never there' })
    expect(exposition(registry)).toBe('')
  })

  test.each<{ mistake: string; make: (registry: Registry) => unknown }>([
    { mistake: 'a name with a space', make: registry => registry.gauge({ name: 'a b', help: '' }) },
    { mistake: 'a counter that does not say so', make: registry => registry.counter({ name: 'reads', help: '' }) },
    {
      mistake: 'a label of histograms',
      make: registry => registry.gauge({ name: 'g', help: '', labels: { le: '1' } })
    },
    {
      mistake: 'a name with two types',
      make: registry => [registry.gauge({ name: 'g', help: '' }), registry.histogram({ name: 'g', help: '' })]
    },
    {
      mistake: 'a name with two meanings',
      make: registry => [registry.gauge({ name: 'g', help: 'a' }), registry.gauge({ name: 'g', help: 'b' })]
    },
    {
      mistake: 'a gauge that is set and read',
      make: registry => [registry.readGauge({ name: 'g', help: '' }, () => 1), registry.gauge({ name: 'g', help: '' })]
    },
    { mistake: 'a counter that goes back', make: registry => registry.counter({ name: 'a_total', help: '' }).add(-1) }
  ])('refuses $mistake', ({ make }) => {
    expect(() => make(new Registry())).toThrow(AssertionError)
  })
})
