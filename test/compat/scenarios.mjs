/**
 * What is tried: who writes, how the process ends, who reads then. run.mjs carries it out.
 *
 * Ends: `clean` closes the store; `halt` dies as by kill -9 right after the last acknowledgement; `halt-dispatched` the
 * same once queues and index have caught up; `killed` gets a real kill -9 in the middle of its work.
 */

/** As small as both sides allow, so that a few hundred messages cross every kind of file end. */
const SMALL = { segmentBytes: 2 ** 16, queueFileBytes: 100 * 20, indexSlots: 100, indexItems: 400 }
const MEDIUM = { segmentBytes: 2 ** 20, queueFileBytes: 1000 * 20, indexSlots: 1000, indexItems: 4000 }
/** Those of a broker out of the box: segments of 1 GiB, index files of 420 MB (sparse). */
const DEFAULT = {}

const ENDS = ['clean', 'halt', 'halt-dispatched', 'killed']
const SIDES = ['varve', 'apache']
const other = side => (side === 'varve' ? 'apache' : 'varve')

/**
 * @typedef {object} Round
 * @property {'varve' | 'apache'} writer
 * @property {'clean' | 'halt' | 'halt-dispatched' | 'killed'} end
 * @property {'async' | 'sync'} flush
 * @property {readonly ('varve' | 'apache')[]} readers open and list the directory one after the other
 */

/**
 * @param {{ short: boolean }} options
 * @returns {({ name: string, sizes: object, recordChecksum: boolean, stepCount: number, rounds: Round[] } |
 *   { name: string, what: 'tables' } | { name: string, what: 'filters', expressionCount: number })[]}
 */
export function scenarios({ short }) {
  const stepCount = short ? 200 : 600
  const oneRound = (writer, end, flush = 'async') => [{ writer, end, flush, readers: [other(writer), writer] }]
  const both = []
  for (const writer of SIDES) {
    for (const end of ENDS) {
      both.push({ name: `${writer} writes, ${endName(end)}`, sizes: SMALL, stepCount, rounds: oneRound(writer, end) })
    }
    both.push({
      name: `${writer} writes with synchronous flush, ${endName('killed')}`,
      sizes: SMALL,
      stepCount,
      rounds: oneRound(writer, 'killed', 'sync')
    })
    both.push({
      name: `${writer} writes with a checksum over each record`,
      sizes: SMALL,
      recordChecksum: true,
      stepCount,
      rounds: oneRound(writer, 'halt')
    })
    both.push({
      name: `${writer} writes files of the default sizes`,
      sizes: DEFAULT,
      stepCount,
      rounds: oneRound(writer, 'clean')
    })
    if (!short) {
      both.push({
        name: `${writer} writes segments of 1 MiB, ${endName('halt')}`,
        sizes: MEDIUM,
        stepCount: 5 * stepCount,
        rounds: oneRound(writer, 'halt')
      })
    }
  }
  both.push({
    name: 'both in turns, every round closed',
    sizes: SMALL,
    stepCount: stepCount >> 1,
    rounds: turns(short ? 3 : 10, ['clean'])
  })
  both.push({
    name: 'both in turns, every round killed or closed',
    sizes: SMALL,
    stepCount: stepCount >> 1,
    rounds: turns(short ? 3 : 10, ['killed', 'clean', 'halt'])
  })
  const stores = both.map(scenario => ({ recordChecksum: false, ...scenario }))
  return [
    ...stores,
    { name: 'both keep the tables of config', what: 'tables' },
    { name: 'both judge messages by SQL92 filters', what: 'filters', expressionCount: short ? 2000 : 10_000 }
  ]
}

/** Whoever writes next reads first, so that each round crosses over; at the end both read. */
function turns(roundCount, ends) {
  return Array.from({ length: roundCount }, (_, round) => {
    const writer = SIDES[round % SIDES.length]
    return {
      writer,
      end: ends[round % ends.length],
      flush: 'async',
      readers: round === roundCount - 1 ? [other(writer), writer] : [other(writer)]
    }
  })
}

function endName(end) {
  return { clean: 'closes', halt: 'dies at once', 'halt-dispatched': 'dies once dispatched', killed: 'is killed' }[end]
}
