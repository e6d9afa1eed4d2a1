import { describe, expect, test } from 'vitest'
import { hourMs, minuteMs, secondMs } from '../../src/base/index.ts'
import { BrokerStats, RuntimeStats } from '../../src/broker/index.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { tableWorld } from '../support/table-fixtures.ts'

const SAMPLE_MS = 10 * secondMs

function opened(config: Parameters<typeof tableWorld>[0] = {}) {
  const world = tableWorld(config)
  const stats = new BrokerStats({ ...world, isSystemTopic: topic => topic === 'system' })
  /** Lets the time pass as the timer would. */
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += SAMPLE_MS) {
      world.clock.advance(SAMPLE_MS)
      stats.sample()
    }
  }
  return { stats, pass, clock: world.clock }
}

describe('statistics', () => {
  test('answer to the names and keys of tools', () => {
    const { stats } = opened()
    stats.puts('t').add(3, 2, 100, 7)
    stats.gets('t', 'g').add(3, 5, 500, 9)
    stats.puts('system').add(0, 1, 10, 1)
    stats.count('SNDBCK_PUT_NUMS', 't@g')
    stats.count('BROKER_ACK_NUMS', 'DefaultCluster', 4)
    const sum = (name: string, key: string) => stats.view(name, key)?.minute.sum
    expect(sum('TOPIC_PUT_NUMS', 't')).toBe(2)
    expect(sum('TOPIC_PUT_SIZE', 't')).toBe(100)
    expect(sum('TOPIC_PUT_LATENCY', '3@t')).toBe(7)
    expect(sum('QUEUE_PUT_NUMS', 't@3')).toBe(2)
    expect(sum('QUEUE_PUT_SIZE', 't@3')).toBe(100)
    expect(sum('GROUP_GET_NUMS', 't@g')).toBe(5)
    expect(sum('GROUP_GET_SIZE', 't@g')).toBe(500)
    expect(sum('GROUP_GET_LATENCY', '3@t@g')).toBe(9)
    expect(sum('QUEUE_GET_NUMS', 't@3@g')).toBe(5)
    expect(sum('QUEUE_GET_SIZE', 't@3@g')).toBe(500)
    expect(sum('BROKER_PUT_NUMS', 'DefaultCluster')).toBe(3)
    expect(sum('BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC', 'DefaultCluster')).toBe(2)
    expect(sum('BROKER_GET_NUMS', 'DefaultCluster')).toBe(5)
    expect(sum('BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC', 'DefaultCluster')).toBe(5)
    expect(sum('SNDBCK_PUT_NUMS', 't@g')).toBe(1)
    expect(sum('BROKER_ACK_NUMS', 'DefaultCluster')).toBe(4)
  })

  test.each([
    ['TOPIC_PUT_NUMS', 'nothing'],
    ['QUEUE_PUT_NUMS', 't@9'],
    ['QUEUE_PUT_NUMS', 't'],
    ['GROUP_GET_NUMS', 't'],
    ['BROKER_PUT_NUMS', 'OtherCluster'],
    ['NO_SUCH_NAME', 't'],
    ['toString', 't'],
    ['DLQ_PUT_NUMS', 't@g']
  ])('have nothing under %s %s', (name, key) => {
    const { stats } = opened()
    stats.puts('t').add(3, 1, 1, 1)
    expect(stats.view(name, key)).toBeUndefined()
  })

  test('tell sum, rate and mean of the last minute, hour and day', () => {
    const { stats, pass } = opened()
    const traffic = stats.puts('t')
    // 10 messages in 5 requests, every 10 s for two hours.
    for (let i = 0; i < 720; i++) {
      for (let request = 0; request < 5; request++) traffic.add(0, 2, 20, 1)
      pass(SAMPLE_MS)
    }
    const { minute, hour, day } = stats.view('TOPIC_PUT_NUMS', 't')!
    expect(minute).toEqual({ sum: 50, tps: 1, avgpt: 2 })
    expect(hour.sum).toBeGreaterThan(2900)
    expect(hour.sum).toBeLessThanOrEqual(3600)
    expect(hour.tps).toBeCloseTo(1)
    expect(day).toEqual({ sum: 7200, tps: 1, avgpt: 2 })
    expect(stats.view('TOPIC_PUT_SIZE', 't')?.minute).toEqual({ sum: 500, tps: 10, avgpt: 20 })
    expect(stats.putsPerSecond('t')).toBe(1)
  })

  test('of the first seconds are rates over a whole sample, not over an instant', () => {
    const { stats, clock } = opened()
    stats.gets('t', 'g').add(0, 100, 1, 1)
    clock.advance(1)
    expect(stats.view('GROUP_GET_NUMS', 't@g')?.minute.tps).toBe(10)
    expect(stats.getsPerSecond('t', 'g')).toBe(10)
    expect(stats.getsPerSecond('t', 'nobody')).toBe(0)
  })

  test('fall to nothing when nothing passes, window by window, and are then no work any more', () => {
    const { stats, pass } = opened()
    stats.puts('t').add(0, 5, 5, 5)
    const sums = () => {
      const { minute, hour, day } = stats.view('TOPIC_PUT_NUMS', 't')!
      return [minute.sum, hour.sum, day.sum]
    }
    expect(sums()).toEqual([5, 5, 5])
    pass(minuteMs + SAMPLE_MS)
    expect(sums()).toEqual([0, 5, 5])
    pass(hourMs + 10 * minuteMs)
    expect(sums()).toEqual([0, 0, 5])
    expect(stats.activeCount).toBeGreaterThan(0)
    pass(25 * hourMs)
    expect(sums()).toEqual([0, 0, 0])
    expect(stats.activeCount).toBe(0)
    stats.puts('t').add(0, 2, 2, 2)
    expect(sums()).toEqual([2, 2, 2])
  })

  test('of single queues are not kept where the configuration says so', () => {
    const { stats } = opened({ config: { enableDetailStat: false } })
    stats.puts('t').add(0, 1, 1, 1)
    expect(stats.view('QUEUE_PUT_NUMS', 't@0')).toBeUndefined()
    expect(stats.view('TOPIC_PUT_NUMS', 't')?.minute.sum).toBe(1)
  })

  test('go with their topic and group', () => {
    const { stats } = opened()
    stats.puts('t').add(0, 1, 1, 1)
    stats.gets('t', 'g').add(0, 1, 1, 1)
    stats.gets('u', 'g').add(0, 1, 1, 1)
    stats.removeTopic('t')
    expect(stats.view('TOPIC_PUT_NUMS', 't')).toBeUndefined()
    expect(stats.view('GROUP_GET_NUMS', 't@g')).toBeUndefined()
    stats.removeGroup('g')
    expect(stats.view('GROUP_GET_NUMS', 'u@g')).toBeUndefined()
  })
})

describe('rates of the whole broker', () => {
  function opened() {
    const clock = new SettableClock()
    const runtime = new RuntimeStats(clock)
    const pass = (seconds: number, each: () => void = () => undefined) => {
      for (let second = 0; second < seconds; second++) {
        each()
        clock.advance(secondMs)
        runtime.sample()
      }
    }
    return { runtime, clock, pass }
  }

  test('are over 10 s, a minute and 10 minutes', () => {
    const { runtime, pass } = opened()
    pass(540)
    pass(60, () => {
      runtime.put(20, 1000, 1)
      runtime.got(10, 1)
      runtime.got(0, 1)
      runtime.got(0, 1)
    })
    pass(5)
    const { putTps, getFoundTps, getMissTps, getTotalTps, getTransferredTps } = runtime.table()
    const rates = (text = '') => text.split(' ').map(Number)
    expect(rates(putTps)).toEqual([10, expect.closeTo((55 * 20) / 60), expect.closeTo(2)])
    expect(rates(getFoundTps)[0]).toBe(0.5)
    expect(rates(getMissTps)[0]).toBe(1)
    expect(rates(getTotalTps)[0]).toBe(1.5)
    expect(rates(getTransferredTps)[0]).toBe(5)
  })

  test('are numbers from the first moment', () => {
    const { runtime } = opened()
    for (const [key, value] of Object.entries(runtime.table())) expect(value, key).not.toMatch(/NaN|Infinity|undefined/)
    expect(runtime.table().putTps).toBe('0 0 0')
  })

  test('come with totals, maxima and times of sends', () => {
    const { runtime, pass } = opened()
    runtime.put(1, 100, 0.2)
    runtime.put(1, 300, 40)
    runtime.put(2, 0, 12_000)
    runtime.putFailed()
    runtime.got(7, 3)
    pass(60)
    expect(runtime.table()).toMatchObject({
      putMessageTimesTotal: '4',
      putMessageSizeTotal: '400',
      putMessageAverageSize: '100',
      putMessageFailedTimes: '1',
      putMessageEntireTimeMax: '12000',
      getMessageEntireTimeMax: '3',
      putMessageDistributeTime: expect.stringMatching(/^\[<=0ms\]:1 \[0~10ms\]:0 \[10~50ms\]:1 .* \[10s~\]:1 $/),
      runtime: '[ 0 days, 0 hours, 1 minutes, 0 seconds ]'
    })
    expect(Number(runtime.table().putLatency99)).toBeGreaterThan(11_000)
  })

  test('know the totals of this midnight and the last', () => {
    const { runtime, clock } = opened()
    runtime.put(10, 1, 1)
    runtime.got(1, 1)
    clock.advance(24 * hourMs)
    runtime.sample()
    runtime.put(5, 1, 1)
    expect(runtime.table()).toMatchObject({
      msgPutTotalYesterdayMorning: '0',
      msgPutTotalTodayMorning: '10',
      msgPutTotalTodayNow: '15',
      msgGetTotalTodayMorning: '1'
    })
    clock.advance(24 * hourMs)
    runtime.sample()
    expect(runtime.table()).toMatchObject({ msgPutTotalYesterdayMorning: '10', msgPutTotalTodayMorning: '15' })
  })
})
