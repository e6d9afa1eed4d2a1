/**
 * Compares what producers were told with what consumers got. Both stand in the journals of client processes: `sent`,
 * `sentBatch` (acknowledged), `thrown` (one-way), `unsent` (refused, or nobody knows), `consumed`.
 *
 * The number of a message is unique in its topic, and its body follows from it. Nothing here knows how messages travel.
 */

/** More would only bury the first. */
const SHOWN = 5

/** What was acknowledged, by number: where it lies, and its id if the answer gave it for this message alone. */
export function acknowledgedIn(journal, topic) {
  const places = new Map()
  for (const line of journal) {
    if (line.topic !== topic) continue
    if (line.event === 'sent') places.set(line.id, line)
    if (line.event === 'sentBatch')
      for (let index = 0; index < line.count; index++)
        places.set(line.from + index, {
          id: line.from + index,
          status: line.status,
          broker: line.broker,
          queueId: line.queueId,
          queueOffset: line.queueOffset + index
        })
  }
  return places
}

export function consumedIn(journal, topic, by) {
  return journal.filter(
    line => line.event === 'consumed' && line.topic === topic && (by === undefined || line.by === by)
  )
}

/**
 * @param {{
 *   acknowledged: ReadonlyMap<number, object>,
 *   consumed: readonly object[],
 *   mayArrive?: (id: number) => boolean,
 *   mustArrive?: (id: number) => boolean,
 *   repeats?: 'none' | 'some',
 *   ordered?: boolean,
 *   offsets?: boolean
 * }} given `consumed` in the order in which it happened. Without more, exactly the acknowledged must arrive, once each.
 *   `offsets: false`: what was acknowledged waits elsewhere first, and has another offset there
 * @returns {string[]} what is wrong
 */
export function complaints({
  acknowledged,
  consumed,
  mustArrive = () => true,
  mayArrive = id => acknowledged.has(id) && mustArrive(id),
  repeats = 'none',
  ordered = false,
  offsets = true
}) {
  const byId = groupedById(consumed)
  const wrong = {
    'acknowledged as something else than stored': [...acknowledged.values()]
      .filter(({ status }) => status !== 'SEND_OK')
      .map(({ id, status }) => `${id}: ${status}`),
    'acknowledged but never consumed': [...acknowledged.keys()].filter(id => mustArrive(id) && !byId.has(id)),
    'consumed but not meant to arrive': [...byId.keys()].filter(id => !mayArrive(id)),
    'consumed with another body': consumed.filter(({ intact }) => !intact).map(({ id }) => id),
    'consumed elsewhere than acknowledged': elsewhere(byId, acknowledged, { repeats, offsets }).map(shownPlace),
    'consumed more than once':
      repeats === 'some' ? [] : [...byId].filter(([, lines]) => lines.length > 1).map(([id]) => id),
    'out of order in its queue': ordered ? disordered(consumed).map(shownPlace) : []
  }
  return Object.entries(wrong)
    .filter(([, places]) => places.length > 0)
    .map(([what, places]) => `${what}: ${shown(places)}`)
}

function groupedById(consumed) {
  const groups = new Map()
  for (const line of consumed) groups.set(line.id, [...(groups.get(line.id) ?? []), line])
  return groups
}

/** A message that was stored twice, because a try had no answer, has been acknowledged for one of its places. */
function elsewhere(byId, acknowledged, { repeats, offsets }) {
  const names = ['broker', 'queueId', 'uniqueId', ...(offsets ? ['queueOffset'] : [])]
  return [...byId].flatMap(([id, lines]) => {
    const wrong = lines.filter(line => isElsewhere(acknowledged.get(id), line, names))
    return repeats === 'some' && wrong.length < lines.length ? [] : wrong
  })
}

/** Where the answer to the send and the consumer both name a place or an id, they must name the same. */
function isElsewhere(acknowledged, consumed, names) {
  if (acknowledged === undefined) return false
  return names.some(
    name => acknowledged[name] !== undefined && consumed[name] !== undefined && acknowledged[name] !== consumed[name]
  )
}

/** A message may come again after a change of owners; but nothing new may come before what stands ahead of it in its queue. */
function disordered(consumed) {
  const reached = new Map()
  return consumed.filter(({ broker, queueId, queueOffset }) => {
    const queue = `${broker} ${queueId}`
    const next = (reached.get(queue) ?? -1) + 1
    if (queueOffset < next) return false
    reached.set(queue, queueOffset)
    return queueOffset > next
  })
}

function shownPlace({ id, by, broker, queueId, queueOffset }) {
  return `${id} (${by}: ${broker} ${queueId} ${queueOffset})`
}

function shown(places) {
  const more = places.length > SHOWN ? ` and ${places.length - SHOWN} more` : ''
  return `${places.slice(0, SHOWN).join(', ')}${more}`
}
