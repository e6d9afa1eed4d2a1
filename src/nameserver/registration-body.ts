/**
 * The body of a registration (103): which topics the broker has, in which state.
 *
 * Usually JSON. Old brokers may send it compressed: a zlib stream of lengths and texts. No body at all is a broker that
 * has told no topics; its version counts as zero.
 */
import { inflateSync } from 'node:zlib'
import { MiB, VarveError } from '../base/index.ts'
import { integerOf, membersOf, parseBody, textOf, textsInList, type WireJson } from './json.ts'
import { type DataVersion, NO_VERSION, type TopicQueues } from './route-types.ts'

/** A few MiB of zeros compress to almost nothing. */
const INFLATED_BYTES_MAX = 64 * MiB

/** From here on the compressed form ends with the mappings of static topics. 5.0.0. */
const VERSION_MAPPINGS = 413

/** What a topic has that leaves it out. */
const QUEUE_COUNT_DEFAULT = 16
const PERM_DEFAULT = 6

export interface RegistrationBody {
  readonly version: DataVersion
  readonly topics: ReadonlyMap<string, TopicQueues>
  readonly mappings: ReadonlyMap<string, { readonly brokerName: string; readonly mapping: WireJson }>
  readonly filterServers: readonly string[] | undefined
}

/** @throws VarveError PARAMETER_INVALID, JSON_INVALID */
export function readRegistration(body: Uint8Array, peer: { compressed: boolean; version: number }): RegistrationBody {
  if (body.length === 0) {
    return { version: NO_VERSION, topics: new Map(), mappings: new Map(), filterServers: undefined }
  }
  return peer.compressed ? readCompressed(inflated(body), peer.version) : readPlain(body)
}

export function readDataVersion(json: WireJson | undefined): DataVersion {
  const fields = membersOf(json)
  return {
    stateVersion: integerOf(fields.get('stateVersion'), 0),
    timestamp: integerOf(fields.get('timestamp'), 0),
    counter: integerOf(fields.get('counter'), 0)
  }
}

export function readTopicQueues(json: WireJson | undefined): TopicQueues {
  const fields = membersOf(json)
  return {
    readQueueNums: integerOf(fields.get('readQueueNums'), QUEUE_COUNT_DEFAULT),
    writeQueueNums: integerOf(fields.get('writeQueueNums'), QUEUE_COUNT_DEFAULT),
    perm: integerOf(fields.get('perm'), PERM_DEFAULT),
    topicSysFlag: integerOf(fields.get('topicSysFlag'), 0)
  }
}

function readPlain(body: Uint8Array): RegistrationBody {
  const fields = membersOf(parseBody(body))
  const wrapper = membersOf(fields.get('topicConfigSerializeWrapper'))
  const topics = new Map<string, TopicQueues>()
  for (const [name, config] of membersOf(wrapper.get('topicConfigTable'))) {
    topics.set(textOf(membersOf(config).get('topicName')) ?? name, readTopicQueues(config))
  }
  const mappings = [...membersOf(wrapper.get('topicQueueMappingInfoMap'))]
  return {
    version: readDataVersion(wrapper.get('dataVersion')),
    topics,
    mappings: new Map(mappings.map(([topic, mapping]) => [topic, mappingOf(mapping)])),
    filterServers: textsInList(fields.get('filterServerList'))
  }
}

const mappingOf = (mapping: WireJson) => ({ brokerName: textOf(membersOf(mapping).get('bname')) ?? '', mapping })

function readCompressed(bytes: Uint8Array, peerVersion: number): RegistrationBody {
  const pieces = new Pieces(bytes)
  const version = readDataVersion(parseBody(pieces.next()))
  const topics = new Map<string, TopicQueues>()
  for (let count = pieces.count(); count > 0; count--) {
    const [name = '', read, write, perm] = new TextDecoder().decode(pieces.next()).split(' ')
    topics.set(name, {
      readQueueNums: numberIn(read),
      writeQueueNums: numberIn(write),
      perm: numberIn(perm),
      topicSysFlag: 0
    })
  }
  const filterServers = textsInList(parseBody(pieces.next()))
  const mappings = new Map<string, { brokerName: string; mapping: WireJson }>()
  for (let count = peerVersion >= VERSION_MAPPINGS ? pieces.count() : 0; count > 0; count--) {
    const mapping = parseBody(pieces.next())
    mappings.set(textOf(membersOf(mapping).get('topic')) ?? '', mappingOf(mapping))
  }
  return { version, topics, mappings, filterServers }
}

function inflated(body: Uint8Array): Uint8Array {
  try {
    return inflateSync(body, { maxOutputLength: INFLATED_BYTES_MAX })
  } catch (cause) {
    throw new VarveError(
      'PARAMETER_INVALID',
      { field: 'body', reason: 'not a zlib stream of sensible size' },
      { cause }
    )
  }
}

function numberIn(text: string | undefined): number {
  const number = Number(text)
  if (text === undefined || text === '' || !Number.isSafeInteger(number)) throw malformed()
  return number
}

/** Texts one after the other, each behind its length in four bytes. */
class Pieces {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Of pieces that follow. One that lies ends where the bytes do. */
  count(): number {
    return this.#length()
  }

  next(): Uint8Array {
    const length = this.#length()
    if (length > this.#bytes.length - this.#at) throw malformed()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #length(): number {
    if (this.#at + 4 > this.#bytes.length) throw malformed()
    const length = this.#view.getInt32(this.#at)
    if (length < 0) throw malformed()
    this.#at += 4
    return length
  }
}

const malformed = () =>
  new VarveError('PARAMETER_INVALID', { field: 'body', reason: 'a compressed registration cut short' })
