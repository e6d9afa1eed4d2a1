/** Consumers that want some of the messages only, by tag or by an expression over properties. */

const COUNT = 120
/** Of the same hash as one another: the broker lets both through, the client tells them apart. */
const SAME_HASH = ['Aa', 'BB']

/** In turn, by number; null is a message without a tag. */
const TAGS = ['red', 'green', null, 'blue', ...SAME_HASH]
/** In turn, by number; null is a message without the property. */
const PROPERTIES = { a: ['10', '3', null, 'x'], region: ['north', 'south', 'east'] }

const tagOf = id => TAGS[id % TAGS.length]
const propertyOf = (name, id) => PROPERTIES[name][id % PROPERTIES[name].length]

export const filtering = [
  {
    name: 'a consumer gets what has one of its tags, and nothing else',
    needs: ['sync', 'push', 'tags'],
    short: 'all',
    run: world =>
      consumeFiltered(world, {
        either: { filter: { tags: 'red || blue' }, wants: id => ['red', 'blue'].includes(tagOf(id)) },
        sameHash: { filter: { tags: SAME_HASH[0] }, wants: id => tagOf(id) === SAME_HASH[0] },
        all: { filter: { tags: '*' }, wants: () => true }
      })
  },
  {
    name: 'a consumer gets what its SQL92 expression is true for',
    needs: ['sync', 'push', 'sql'],
    short: ['java 5', 'go'],
    run: world =>
      consumeFiltered(world, {
        // What is missing or no number is neither more nor less.
        number: { filter: { sql: 'a > 5' }, wants: id => propertyOf('a', id) === '10' },
        words: {
          filter: { sql: "region IN ('north', 'east') AND a IS NOT NULL" },
          wants: id => propertyOf('region', id) !== 'south' && propertyOf('a', id) !== null
        },
        missing: {
          filter: { sql: 'a IS NULL OR a BETWEEN 1 AND 5' },
          wants: id => [null, '3'].includes(propertyOf('a', id))
        }
      })
  }
]

/** A consumer for each filter; half of the messages are there before them, half are sent while they wait. */
async function consumeFiltered(world, consumers) {
  const target = await world.target()
  const topic = await world.topic(target, 'filtered')
  const client = world.client(target)
  await client.run({ do: 'producer', as: 'p' })
  const send = from =>
    client.run({ do: 'send', as: 'p', topic, from, count: COUNT / 2, tags: TAGS, properties: withoutUnable(world) })
  await send(0)
  for (const [as, { filter }] of Object.entries(consumers))
    await client.run({ do: 'push', as, group: world.group(as), topic, ...filter })
  for (const [as, { wants }] of Object.entries(consumers))
    await world.untilConsumed([client], topic, countOf(COUNT / 2, wants), as)
  await send(COUNT / 2)
  for (const [as, { wants }] of Object.entries(consumers)) {
    await world.untilConsumed([client], topic, countOf(COUNT, wants), as)
    world.judge({ topic, producers: [client], consumers: [client], by: as, mustArrive: wants })
  }
}

/** Who cannot filter by properties need not send any. */
function withoutUnable(world) {
  return world.can('sql') ? PROPERTIES : {}
}

function countOf(count, wants) {
  return Array.from({ length: count }, (_, id) => id).filter(wants).length
}
