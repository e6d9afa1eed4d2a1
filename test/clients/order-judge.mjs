/**
 * Judges the order of messages by the journals of the members of an orderly group: each says when it took a message in hand
 * (`consumed`, with its place) and when it was done with it (`handled`), by a clock that they share.
 */

/** More would only bury the first. */
const SHOWN = 5
/** A queue that stood still for so long may have been given up and got back by the same member, with nobody in between. */
const GIVEN_UP_US = 500_000

/**
 * @param {{
 *   members: readonly { name: string, endedUs?: number, lines: readonly object[] }[],
 *   sent: ReadonlyMap<number, object>,
 *   keyOf: (id: number) => number
 * }} given `endedUs`: when a member was gone for certain. Numbers of one key were sent in their order.
 * @returns {string[]} what is wrong
 */
export function queueComplaints({ members, sent, keyOf }) {
  const all = members.flatMap(turnsOf)
  const queues = new Map()
  for (const turn of all) queues.set(turn.queueId, [...(queues.get(turn.queueId) ?? []), turn])
  // What came although its producer heard nothing is stored like the others.
  const places = placesOf(new Set([...sent.keys(), ...all.map(({ id }) => id)]), keyOf)
  const wrong = { 'in hand of two at once': [], 'a key went backwards': [], 'a key was skipped': [] }
  for (const turns of queues.values()) {
    turns.sort((one, other) => one.fromUs - other.fromUs)
    wrong['in hand of two at once'].push(...overlaps(turns))
    const found = orderOf(turns, { places, keyOf })
    for (const [what, lines] of Object.entries(found)) wrong[what].push(...lines)
  }
  return Object.entries(wrong)
    .filter(([, lines]) => lines.length > 0)
    .map(([what, lines]) => `${what}: ${lines.slice(0, SHOWN).join('; ')} (${lines.length} in all)`)
}

/** Each message in hand: from when until when. One that was never done was in hand until its member was gone. */
function turnsOf({ name, endedUs = Number.POSITIVE_INFINITY, lines }) {
  const turns = []
  const open = new Map()
  for (const { event, id, us, queueId, queueOffset } of lines) {
    if (event === 'consumed') {
      const turn = { name, id, queueId, queueOffset, fromUs: us, untilUs: endedUs }
      turns.push(turn)
      open.set(id, turn)
    } else {
      const turn = open.get(id)
      if (turn === undefined) throw new Error(`${name} is done with ${id}, which it never had`)
      turn.untilUs = us
      open.delete(id)
    }
  }
  return turns
}

function overlaps(turns) {
  const found = []
  let last
  for (const turn of turns) {
    if (last !== undefined && last.name !== turn.name && turn.fromUs < last.untilUs) {
      found.push(`queue ${turn.queueId}: ${turn.name} takes ${turn.id} while ${last.name} has ${last.id}`)
    }
    if (last === undefined || turn.untilUs > last.untilUs) last = turn
  }
  return found
}

/** Turns of one queue, one after the other. A new holder may begin before where the last one stopped, never behind it. */
function orderOf(turns, { places, keyOf }) {
  const found = { 'a key went backwards': [], 'a key was skipped': [] }
  /** How far each key has come, and how far with who holds the queue now. */
  const reached = new Map()
  let held = new Map()
  let last
  for (const turn of turns) {
    const { name, id, queueId, queueOffset } = turn
    if (last?.name !== name || turn.fromUs - last.untilUs >= GIVEN_UP_US) held = new Map()
    last = turn
    const key = keyOf(id)
    const place = places.get(id)
    const shown = `${id} at ${queueOffset} of queue ${queueId} by ${name}`
    if (place > (reached.get(key) ?? -1) + 1) found['a key was skipped'].push(shown)
    if (place <= (held.get(key) ?? -1)) found['a key went backwards'].push(shown)
    held.set(key, place)
    reached.set(key, Math.max(place, reached.get(key) ?? -1))
  }
  return found
}

/** Of each number, how many of its key were stored before it. */
function placesOf(numbers, keyOf) {
  const counts = new Map()
  const places = new Map()
  for (const id of [...numbers].sort((one, other) => one - other)) {
    const key = keyOf(id)
    places.set(id, counts.get(key) ?? 0)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return places
}
