/**
 * Timed messages: they are stored in the timer topic, and say where they go from there, and in which second.
 *
 * The second is the one that ends no earlier than the message is due: a message for 12:00:00.001 to 12:00:01.000 is of
 * 12:00:00, as Apache RocketMQ counts, whose broker delivers a second when it has passed.
 */
import { type Clock, secondMs, VarveError } from '../../base/index.ts'
import { findProperty, Span, TIMER_TOPIC } from '../../layout/index.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { SendKind } from '../send-transform.ts'
import { divert } from './real-target.ts'
import { DELETE_KEY, OUT_MS, wantedDueMs } from './timer-properties.ts'
import { STEP_MS } from './timer-wheel.ts'

export interface TimerKindWorld {
  readonly config: Pick<BrokerConfig, 'timerWheelEnable' | 'timerMaxDelaySec'>
  readonly clock: Clock
}

/** The second of the wheel in which a message is delivered that is due at `dueMs`. */
export const slotOf = (dueMs: number): number => (Math.ceil(dueMs / STEP_MS) - 1) * STEP_MS

export function timerKind({ config, clock }: TimerKindWorld): SendKind {
  const span = new Span()
  return {
    isMeant: ({ isTimed }) => isTimed,
    transform(message, properties, draft) {
      if (!config.timerWheelEnable) throw new VarveError('TIMERS_DISABLED', { topic: draft.topic })
      const nowMs = clock.nowMs()
      const { bytes, length } = properties
      const dueMs = wantedDueMs(bytes, 0, length, nowMs)
      const maxDelayMs = config.timerMaxDelaySec * secondMs
      if (dueMs === undefined || Number.isNaN(dueMs)) throw illegal(draft.topic, 'its time of delivery is no number')
      if (dueMs - nowMs > maxDelayMs) {
        throw illegal(
          draft.topic,
          `timer message illegal, the delay time should not be bigger than the max delay ${maxDelayMs}ms`
        )
      }
      if (dueMs <= nowMs) {
        if (!findProperty(bytes, 0, length, DELETE_KEY, span)) return
        throw illegal(draft.topic, 'what it recalls is due')
      }
      properties.add(OUT_MS, String(slotOf(dueMs)))
      divert(message, properties, TIMER_TOPIC, 0)
    }
  }
}

const illegal = (topic: string, reason: string): VarveError => new VarveError('MESSAGE_ILLEGAL', { reason, topic })
