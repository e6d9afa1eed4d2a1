/**
 * Topic attributes: which there are, which values they take, and how an administrator's `+name=value,-name` changes them.
 */
import { VarveError } from '../base/index.ts'

interface Attribute {
  readonly isChangeable: boolean
  readonly isValid: (value: string) => boolean
}

const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value)

export const MESSAGE_TYPE_ATTRIBUTE = 'message.type'
export const MESSAGE_TYPE_MIXED = 'MIXED'

const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map([
  ['queue.type', { isChangeable: false, isValid: oneOf('SimpleCQ', 'BatchCQ') }],
  ['cleanup.policy', { isChangeable: false, isValid: oneOf('DELETE', 'COMPACTION') }],
  [
    MESSAGE_TYPE_ATTRIBUTE,
    {
      isChangeable: true,
      isValid: oneOf('UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', MESSAGE_TYPE_MIXED)
    }
  ],
  ['reserve.time', { isChangeable: true, isValid: (value: string) => /^(-1|\d{1,19})$/.test(value) }]
])

export type AttributeChange =
  | { readonly type: 'set'; readonly name: string; readonly value: string }
  | { readonly type: 'remove'; readonly name: string }

/** `+message.type=FIFO,-reserve.time`. @throws VarveError TOPIC_ATTRIBUTE_INVALID */
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

/** One entry of the map that lists of topics carry: the key has the sign. @throws VarveError TOPIC_ATTRIBUTE_INVALID */
export function attributeChange(key: string, value: string): AttributeChange {
  const name = key.slice(1)
  if (key.startsWith('+') && name !== '') return { type: 'set', name, value }
  if (key.startsWith('-') && name !== '') return { type: 'remove', name }
  throw invalid(key, 'before its name stands neither + nor -')
}

/**
 * What the attributes are after the changes; `current` is undefined for a topic that is being created.
 * @throws VarveError TOPIC_ATTRIBUTE_INVALID
 */
export function changeAttributes(
  current: Readonly<Record<string, string>> | undefined,
  changes: readonly AttributeChange[]
): Record<string, string> {
  const changed = { ...current }
  for (const change of changes) {
    const attribute = ATTRIBUTES.get(change.name)
    if (attribute === undefined) throw invalid(change.name, 'there is no such attribute')
    if (current !== undefined && !attribute.isChangeable) throw invalid(change.name, 'it is set at creation only')
    if (change.type === 'set') {
      if (!attribute.isValid(change.value)) throw invalid(change.name, 'it has no such value', change.value)
      changed[change.name] = change.value
    } else {
      if (current?.[change.name] === undefined) throw invalid(change.name, 'the topic does not have it')
      delete changed[change.name]
    }
  }
  return changed
}

function invalid(attribute: string, reason: string, value?: string): VarveError {
  return new VarveError('TOPIC_ATTRIBUTE_INVALID', { attribute, reason, ...(value === undefined ? {} : { value }) })
}
