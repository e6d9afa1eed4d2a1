/** Messages with a delay level: they are stored in the queue of their level, and say where they go from there. */
import { encodeText, PROPERTY, SCHEDULE_TOPIC } from '../../layout/index.ts'
import type { SendKind } from '../send-transform.ts'
import { divert } from './real-target.ts'
import { TIMER_PROPERTIES } from './timer-properties.ts'

const DELAY = encodeText(PROPERTY.DELAY_LEVEL)

/** Queue of a level, and back. */
export const queueOfLevel = (level: number): number => level - 1
export const levelOfQueue = (queueId: number): number => queueId + 1

/** A level above the last is the last; next to a level, a time of delivery means nothing. */
export function levelKind(levelCount: number): SendKind {
  return {
    isMeant: ({ delayLevel }) => delayLevel > 0,
    transform(message, properties) {
      const level = Math.min(properties.delayLevel, levelCount)
      if (properties.isTimed) properties.drop(TIMER_PROPERTIES)
      if (level < properties.delayLevel) {
        properties.drop([DELAY])
        properties.add(DELAY, String(level))
      }
      divert(message, properties, SCHEDULE_TOPIC, queueOfLevel(level))
    }
  }
}
