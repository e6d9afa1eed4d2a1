/**
 * Runtime statistics: rates and totals of the whole broker, as tools show them for each broker of a cluster.
 *
 * Rates are over 10 s, 1 min and 10 min; totals also as of this and the last midnight. `sample` is called every second.
 *
 * Not here: what the store and the listeners know of themselves; the server puts the answer together.
 */
import { type Clock, hourMs, minuteMs, secondMs } from '../base/index.ts'
import { Histogram } from '../metrics/index.ts'

const RATE_SECONDS = [10, 60, 600] as const
const SAMPLES = RATE_SECONDS[RATE_SECONDS.length - 1]! + 1

/** Upper bounds in ms, and the words of RocketMQ for the ranges that they end. */
const PUT_TIME_RANGES: readonly (readonly [belowMs: number, words: string])[] = [
  [1, '[<=0ms]'],
  [10, '[0~10ms]'],
  [50, '[10~50ms]'],
  [100, '[50~100ms]'],
  [200, '[100~200ms]'],
  [500, '[200~500ms]'],
  [1000, '[500ms~1s]'],
  [2000, '[1~2s]'],
  [3000, '[2~3s]'],
  [4000, '[3~4s]'],
  [5000, '[4~5s]'],
  [10_000, '[5~10s]'],
  [Number.POSITIVE_INFINITY, '[10s~]']
]
const MICROSECONDS_PER_MS = 1000
const DAY_MS = 24 * hourMs

export class RuntimeStats {
  readonly #clock: Clock
  readonly #startedAtMs: number
  #putMessages = 0
  #putBytes = 0
  #putFailures = 0
  #putTimeMaxMs = 0
  #getTimeMaxMs = 0
  #foundCount = 0
  #missedCount = 0
  #transferredMessages = 0
  readonly #samples = {
    puts: new Samples(),
    found: new Samples(),
    missed: new Samples(),
    transferred: new Samples()
  }
  /** Of this minute, and of the whole one before. */
  #putTimes = new Histogram()
  #putTimesBefore = new Histogram()
  #putRanges = new Float64Array(PUT_TIME_RANGES.length)
  #putRangesBefore = new Float64Array(PUT_TIME_RANGES.length)
  #minuteStartedAtMs: number
  #midnightMs: number
  readonly #mornings = { putsYesterday: 0, putsToday: 0, getsYesterday: 0, getsToday: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.nowMs()
    this.#minuteStartedAtMs = clock.monotonicMs()
    this.#midnightMs = midnightBefore(clock.nowMs())
    this.sample()
  }

  put(messages: number, bytes: number, tookMs: number): void {
    this.#putMessages += messages
    this.#putBytes += bytes
    if (tookMs > this.#putTimeMaxMs) this.#putTimeMaxMs = tookMs
    this.#putTimes.record(Math.max(0, Math.round(tookMs * MICROSECONDS_PER_MS)))
    let range = 0
    while (tookMs >= PUT_TIME_RANGES[range]![0]) range++
    this.#putRanges[range]!++
  }

  putFailed(): void {
    this.#putFailures++
  }

  /** One pull: how many messages it found, none included. */
  got(messages: number, tookMs: number): void {
    if (messages > 0) this.#foundCount++
    else this.#missedCount++
    this.#transferredMessages += messages
    if (tookMs > this.#getTimeMaxMs) this.#getTimeMaxMs = tookMs
  }

  /** Every second. */
  sample(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#samples.puts.push(nowMs, this.#putMessages)
    this.#samples.found.push(nowMs, this.#foundCount)
    this.#samples.missed.push(nowMs, this.#missedCount)
    this.#samples.transferred.push(nowMs, this.#transferredMessages)
    if (nowMs - this.#minuteStartedAtMs >= minuteMs) this.#nextMinute(nowMs)
    if (midnightBefore(this.#clock.nowMs()) > this.#midnightMs) this.#nextDay()
  }

  /** Keys and values of GET_BROKER_RUNTIME_INFO, as far as they are about traffic and time. */
  table(): Record<string, string> {
    const { puts, found, missed, transferred } = this.#samples
    const rates = (...samples: Samples[]) => RATE_SECONDS.map(seconds => sumOfRates(samples, seconds)).join(' ')
    const { putsYesterday, putsToday, getsYesterday, getsToday } = this.#mornings
    return {
      bootTimestamp: String(this.#startedAtMs),
      runtime: durationText(this.#clock.nowMs() - this.#startedAtMs),
      putMessageEntireTimeMax: String(Math.round(this.#putTimeMaxMs)),
      putMessageTimesTotal: String(this.#putMessages),
      putMessageFailedTimes: String(this.#putFailures),
      putMessageSizeTotal: String(this.#putBytes),
      putMessageAverageSize: String(this.#putMessages === 0 ? 0 : this.#putBytes / this.#putMessages),
      putMessageDistributeTime: PUT_TIME_RANGES.map(([, words], i) => `${words}:${this.#putRangesBefore[i]} `).join(''),
      putLatency99: this.#putTimeQuantile(0.99),
      putLatency999: this.#putTimeQuantile(0.999),
      getMessageEntireTimeMax: String(Math.round(this.#getTimeMaxMs)),
      putTps: rates(puts),
      getFoundTps: rates(found),
      getMissTps: rates(missed),
      getTotalTps: rates(found, missed),
      getTransferredTps: rates(transferred),
      msgPutTotalYesterdayMorning: String(putsYesterday),
      msgPutTotalTodayMorning: String(putsToday),
      msgPutTotalTodayNow: String(this.#putMessages),
      msgGetTotalYesterdayMorning: String(getsYesterday),
      msgGetTotalTodayMorning: String(getsToday),
      msgGetTotalTodayNow: String(this.#transferredMessages)
    }
  }

  #putTimeQuantile(fraction: number): string {
    const times = this.#putTimesBefore.count > 0 ? this.#putTimesBefore : this.#putTimes
    return (times.count === 0 ? 0 : times.quantile(fraction) / MICROSECONDS_PER_MS).toFixed(2)
  }

  #nextMinute(nowMs: number): void {
    this.#minuteStartedAtMs = nowMs
    const times = this.#putTimesBefore
    this.#putTimesBefore = this.#putTimes
    this.#putTimes = times
    times.reset()
    const ranges = this.#putRangesBefore
    this.#putRangesBefore = this.#putRanges
    this.#putRanges = ranges.fill(0)
  }

  #nextDay(): void {
    this.#midnightMs = midnightBefore(this.#clock.nowMs())
    this.#mornings.putsYesterday = this.#mornings.putsToday
    this.#mornings.putsToday = this.#putMessages
    this.#mornings.getsYesterday = this.#mornings.getsToday
    this.#mornings.getsToday = this.#transferredMessages
  }
}

/** One number, second by second. */
class Samples {
  readonly #times = new Float64Array(SAMPLES)
  readonly #values = new Float64Array(SAMPLES)
  #count = 0

  push(nowMs: number, value: number): void {
    this.#times[this.#count % SAMPLES] = nowMs
    this.#values[this.#count % SAMPLES] = value
    this.#count++
  }

  /** Over so many samples; over all there are while there are fewer. */
  perSecond(seconds: number): number {
    const last = (this.#count - 1) % SAMPLES
    const first = (this.#count - 1 - Math.min(seconds, this.#count - 1, SAMPLES - 1)) % SAMPLES
    const elapsedMs = this.#times[last]! - this.#times[first]!
    return elapsedMs <= 0 ? 0 : ((this.#values[last]! - this.#values[first]!) * secondMs) / elapsedMs
  }
}

const sumOfRates = (samples: readonly Samples[], seconds: number): number =>
  samples.reduce((sum, one) => sum + one.perSecond(seconds), 0)

/** Of the local day that the time falls in. */
function midnightBefore(timeMs: number): number {
  return new Date(timeMs).setHours(0, 0, 0, 0)
}

function durationText(ms: number): string {
  const part = (unitMs: number, wholeMs: number) => Math.floor((ms % wholeMs) / unitMs)
  const [days, hours] = [Math.floor(ms / DAY_MS), part(hourMs, DAY_MS)]
  return `[ ${days} days, ${hours} hours, ${part(minuteMs, hourMs)} minutes, ${part(secondMs, minuteMs)} seconds ]`
}
