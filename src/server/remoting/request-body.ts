/** Bodies of requests as JSON, and the shapes that recur in them. What cannot be read is refused, not guessed. */
import { VarveError } from '../../base/index.ts'
import { integerOf, type JsonObject, listOf, objectOf, textOf } from '../../broker/index.ts'
import type { JavaJson } from '../../layout/index.ts'
import { parseWire, type RemotingRequest } from '../../protocol/index.ts'

/** A queue as clients name it: which broker has it, and where. */
export interface WireQueue {
  readonly brokerName: string
  readonly queueId: number
  readonly topic: string
}

/** @throws VarveError PARAMETER_INVALID without an object in the body */
export function bodyOf(request: RemotingRequest): JsonObject {
  const fields = objectOf(jsonOf(request))
  if (fields === undefined) throw invalid('an object is expected')
  return fields
}

/** A field that must be there. @throws VarveError PARAMETER_INVALID */
export function requiredText(fields: JsonObject, name: string): string {
  const text = textOf(fields[name])
  if (text === undefined || text === '') throw new VarveError('PARAMETER_INVALID', { parameter: name })
  return text
}

/** @throws VarveError PARAMETER_INVALID if one of them is no queue */
export function queuesIn(fields: JsonObject, name: string): WireQueue[] {
  return listOf(fields[name]).map(item => {
    const queue = objectOf(item)
    const topic = textOf(queue?.topic)
    const queueId = integerOf(queue?.queueId, -1)
    if (topic === undefined || queueId < 0) throw new VarveError('PARAMETER_INVALID', { parameter: name })
    return { brokerName: textOf(queue?.brokerName, ''), queueId, topic }
  })
}

/** @throws VarveError PARAMETER_INVALID */
export function jsonOf(request: RemotingRequest): JavaJson {
  if (request.body.length === 0) throw invalid('it is missing')
  try {
    return parseWire(request.body)
  } catch (cause) {
    throw new VarveError('PARAMETER_INVALID', { parameter: 'body', reason: 'it is not JSON' }, { cause })
  }
}

const invalid = (reason: string): VarveError => new VarveError('PARAMETER_INVALID', { parameter: 'body', reason })
