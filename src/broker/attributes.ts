/**
 * Attributes of topics and groups: which there are in RocketMQ 5.5, which values they take, and how an administrator's
 * `+name=value,-name` changes them. What they mean is for whoever reads them; a group's are all for lite topics and
 * priorities, which are kept and do nothing here.
 */
import { VarveError } from '../base/index.ts'

interface Attribute {
  readonly isChangeable: boolean
  readonly isValid: (value: string) => boolean
}

export type Attributes = ReadonlyMap<string, Attribute>

export const MESSAGE_TYPE_ATTRIBUTE = 'message.type'
export const MESSAGE_TYPE_MIXED = 'MIXED'
const LONG_MAX = 2n ** 63n - 1n
const LITE_EXPIRATION_MINUTES_MAX = 43_200n

const MESSAGE_TYPES = ['UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', MESSAGE_TYPE_MIXED, 'PRIORITY', 'LITE']

export const TOPIC_ATTRIBUTES: Attributes = new Map([
  ['queue.type', atCreation(oneOf('SimpleCQ', 'BatchCQ'))],
  ['cleanup.policy', atCreation(oneOf('DELETE', 'COMPACTION'))],
  [MESSAGE_TYPE_ATTRIBUTE, changeable(oneOf(...MESSAGE_TYPES))],
  ['reserve.time', changeable(integer(-1n, LONG_MAX))],
  ['lite.topic.expiration', changeable(integer(-1n, LITE_EXPIRATION_MINUTES_MAX))]
])

export const GROUP_ATTRIBUTES: Attributes = new Map([
  ['priority.factor', changeable(integer(0n, 100n))],
  ['lite.bind.topic', changeable(anything)],
  ['lite.sub.model', changeable(oneOf('Shared', 'Exclusive'))],
  ['lite.sub.client.quota', changeable(integer(-1n, LONG_MAX))],
  ['lite.sub.client.max.event.cnt', changeable(integer(10n, LONG_MAX))],
  ['lite.sub.reset.offset.exclusive', changeable(oneOf('true', 'false'))],
  ['lite.sub.reset.offset.unsubscribe', changeable(oneOf('true', 'false'))],
  ['lite.sub.wildcard', changeable(anything)]
])

export type AttributeChange =
  | { readonly type: 'set'; readonly name: string; readonly value: string }
  | { readonly type: 'remove'; readonly name: string }

/** `+message.type=FIFO,-reserve.time`. @throws VarveError ATTRIBUTE_INVALID */
export function parseAttributeChanges(text: string): AttributeChange[] {
  const changes: AttributeChange[] = []
  for (const item of text.split(',').filter(item => item !== '')) {
    const equals = item.indexOf('=')
    const change = attributeChange(equals < 0 ? item : item.slice(0, equals), equals < 0 ? '' : item.slice(equals + 1))
    if (changes.some(({ name }) => name === change.name)) throw invalid(change.name, 'it is named twice')
    changes.push(change)
  }
  return changes
}

/** One entry of the map that lists of topics carry: the key has the sign. @throws VarveError ATTRIBUTE_INVALID */
export function attributeChange(key: string, value: string): AttributeChange {
  const name = key.slice(1)
  if (key.startsWith('+') && name !== '') return { type: 'set', name, value }
  if (key.startsWith('-') && name !== '') return { type: 'remove', name }
  throw invalid(key, 'before its name stands neither + nor -')
}

/**
 * What the attributes are after the changes; `current` is undefined for what is being created.
 * @throws VarveError ATTRIBUTE_INVALID
 */
export function changeAttributes(
  known: Attributes,
  current: Readonly<Record<string, string>> | undefined,
  changes: readonly AttributeChange[]
): Record<string, string> {
  const changed = { ...current }
  for (const change of changes) {
    const attribute = known.get(change.name)
    if (attribute === undefined) throw invalid(change.name, 'there is no such attribute')
    if (current !== undefined && !attribute.isChangeable) throw invalid(change.name, 'it is set at creation only')
    if (change.type === 'set') {
      if (!attribute.isValid(change.value)) throw invalid(change.name, 'it has no such value', change.value)
      changed[change.name] = change.value
    } else {
      if (current?.[change.name] === undefined) throw invalid(change.name, 'it is not set')
      delete changed[change.name]
    }
  }
  return changed
}

function changeable(isValid: Attribute['isValid']): Attribute {
  return { isChangeable: true, isValid }
}

function atCreation(isValid: Attribute['isValid']): Attribute {
  return { isChangeable: false, isValid }
}

function oneOf(...values: string[]): Attribute['isValid'] {
  return value => values.includes(value)
}

/** 64 bits there, so compared as such. */
function integer(min: bigint, max: bigint): Attribute['isValid'] {
  return value => /^-?\d{1,19}$/.test(value) && BigInt(value) >= min && BigInt(value) <= max
}

function anything(): boolean {
  return true
}

function invalid(attribute: string, reason: string, value?: string): VarveError {
  return new VarveError('ATTRIBUTE_INVALID', { attribute, reason, ...(value === undefined ? {} : { value }) })
}
