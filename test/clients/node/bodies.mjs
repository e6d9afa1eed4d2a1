/**
 * The body of a message follows from its number and its length, so whoever receives it can say whether it is intact: the
 * number in decimal, a colon, then letters in order.
 */
const LETTERS = 26
const A = 'a'.charCodeAt(0)

export function bodyOf(id, bytes) {
  const head = Buffer.from(`${id}:`)
  const body = Buffer.alloc(Math.max(bytes, head.length))
  head.copy(body)
  for (let at = head.length; at < body.length; at++) body[at] = A + ((id + at) % LETTERS)
  return body
}

export function described({ body, topic, queueOffset, tags, keys, reconsumeTimes, msgId, properties }) {
  const id = Number(body.toString('latin1', 0, Math.max(body.indexOf(':'), 0)))
  return {
    id,
    intact: body.equals(bodyOf(id, body.length)),
    bytes: body.length,
    topic,
    queueOffset: Number(queueOffset),
    tags,
    keys,
    reconsumeTimes,
    uniqueId: msgId,
    properties
  }
}
