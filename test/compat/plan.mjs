/**
 * A workload as data, so that both stores can be told to do exactly the same: one step a line, each with the messages of
 * one append. A step with `batch` goes into the store in one call; its messages share everything but body, flag and
 * properties.
 *
 * The same seed gives the same plan, except that sizes follow the segments: a batch must fit into one.
 */

/** @param {number} seed */
function randomOf(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = limit => Math.floor(next() * limit)
  return {
    below,
    oneOf: list => list[below(list.length)],
    bytes: count => Buffer.from(Array.from({ length: count }, () => below(256)))
  }
}

const RETRY_TOPIC = '%RETRY%some_group'
/** The longest topic that the first version of the record can hold, and one that needs the second. */
const TOPIC_OF_127 = '%RETRY%'.padEnd(127, 'a-group_of_ours')
const TOPIC_OF_250 = '%RETRY%'.padEnd(250, 'another-long_group')

const BORN_HOSTS = [
  { address: '10.0.0.1', port: 50000 },
  { address: '255.255.255.255', port: 65535 },
  { address: '2001:db8:0:1::beef', port: 50001 }
]
const STORE_HOSTS = [
  { address: '127.0.0.1', port: 10911 },
  { address: '127.0.0.1', port: 10911 },
  { address: 'fe80::1', port: 10911 }
]
const TAGS = ['TagA', 'TagB', 'Größe', '标签', '🐘', 'a b', 'polygenelubricants']
/** Compressed with each algorithm, and several tags: bits that a store keeps without acting on them. */
const SYS_FLAGS = [0, 0, 0, 0x001, 0x101, 0x201, 0x301, 0x002]
const TRANSACTION = { prepared: 0x4, commit: 0x8, rollback: 0xc }
const BORN_FROM_MS = 1_700_000_000_000

/**
 * @param {{ seed: number, stepCount: number, segmentBytes: number }} options
 */
export function makePlan({ seed, stepCount, segmentBytes }) {
  const random = randomOf(seed)
  const bodyBytesMax = Math.min(20_000, segmentBytes >> 2)
  let number = 0

  const properties = () => {
    const own = {
      UNIQ_KEY: `${seed.toString(16).toUpperCase()}-${(++number).toString(16).toUpperCase().padStart(24, '0')}`
    }
    if (random.below(4) > 0) own.TAGS = random.oneOf(TAGS)
    if (random.below(2) === 0)
      own.KEYS = random.oneOf([
        `order-${seed}-${number >> 2}`,
        `schlüssel-键-${seed}`,
        `one-${number} two-${number}`,
        `spaced  twice-${number}`
      ])
    if (random.below(4) === 0) own.note = random.oneOf(['äöü 🚀', 'x'.repeat(random.below(2000) + 1), 'a=b&c', '0'])
    return own
  }
  const body = () => {
    const kind = random.below(20)
    if (kind === 0) return Buffer.alloc(0)
    if (kind === 1) return Buffer.from('größer, 更大, 🐘')
    if (kind === 2) return random.bytes(random.below(bodyBytesMax))
    return random.bytes(random.below(600))
  }
  const head = (topic, queueId) => ({
    topic,
    queueId,
    sysFlag: random.oneOf(SYS_FLAGS),
    bornAtMs: BORN_FROM_MS + number,
    bornHost: random.oneOf(BORN_HOSTS),
    storeHost: random.oneOf(STORE_HOSTS),
    reconsumeTimes: random.below(3) === 0 ? random.below(16) : 0,
    preparedTransactionOffset: 0
  })
  const own = () => ({
    flag: random.below(5) === 0 ? random.below(2 ** 32) - 2 ** 31 : 0,
    body: body().toString('base64'),
    properties: properties()
  })

  const single = (topic, queueId, change = {}) => ({
    batch: false,
    messages: [{ ...head(topic, queueId), ...own(), ...change }]
  })
  const kinds = [
    ...Array(12).fill(() => single('orders', random.below(4))),
    ...Array(4).fill(() =>
      single(random.oneOf(['payments', '%DLQ%some_group', RETRY_TOPIC, TOPIC_OF_127, TOPIC_OF_250]), random.below(2))
    ),
    () => {
      const shared = head('orders', random.below(4))
      return {
        batch: true,
        messages: Array.from({ length: random.below(8) + 2 }, () => ({
          ...shared,
          ...own(),
          body: random.bytes(random.below(500)).toString('base64')
        }))
      }
    },
    () => {
      const level = random.below(18) + 1
      const step = single('SCHEDULE_TOPIC_XXXX', level - 1)
      Object.assign(step.messages[0].properties, { DELAY: String(level), REAL_TOPIC: 'orders', REAL_QID: '1' })
      return step
    },
    () => {
      const step = single('RMQ_SYS_TRANS_HALF_TOPIC', 0)
      Object.assign(step.messages[0].properties, {
        TRAN_MSG: 'true',
        PGROUP: 'producers',
        REAL_TOPIC: 'orders',
        REAL_QID: '2'
      })
      return step
    },
    () =>
      single('transactions', 0, {
        sysFlag: TRANSACTION[random.oneOf(Object.keys(TRANSACTION))],
        preparedTransactionOffset: random.below(2 ** 40)
      })
  ]
  return Array.from({ length: stepCount }, () => random.oneOf(kinds)())
}
