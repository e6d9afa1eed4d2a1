/**
 * One name server, as a broker knows it: a connection that stays open, and what is still to be told over it.
 *
 * A name server forgets a broker as soon as the connection of its last registration closes, so all registrations go over
 * one, and when it is lost the next comes soon: after one second, then after twice as long each time, up to the period
 * of ordinary registrations.
 *
 * Invariants:
 * - one request at a time; what changes meanwhile is told in the next one
 * - after a failure everything is told again, for nobody knows what has arrived
 * - which topics a request brings and which version it names are taken in one step: two requests that named the same
 *   version would look to the name server like one
 *
 * Not here: when to register (registration.ts), what is told (topic-report.ts).
 */
import { crc32 } from 'node:zlib'
import { type Log, secondMs, VarveError } from '../base/index.ts'
import type { HostAddress } from '../model/index.ts'
import { addressText } from '../nameserver/index.ts'
import { REQUEST, RESPONSE, type RemotingAnswer, type RemotingConnection } from '../protocol/index.ts'
import type { TopicReport, TopicReports } from './topic-report.ts'

const RETRY_MS_MIN = secondMs
/** Java compares checksums without their sign. */
const CHECKSUM_MASK = 0x7fffffff
/** Stopping must not wait for a name server that hangs. */
const UNREGISTER_MS_MAX = 2 * secondMs

/** Who registers, seen from this connection. */
export interface BrokerFields {
  readonly clusterName: string
  readonly brokerName: string
  readonly brokerId: number
  readonly brokerAddr: string
  readonly haServerAddr: string
}

export interface NameServerLinkOptions {
  readonly nameServer: HostAddress
  readonly connect: (nameServer: HostAddress) => Promise<RemotingConnection>
  readonly fieldsFor: (connection: RemotingConnection) => BrokerFields
  readonly reports: TopicReports
  readonly timeoutMs: () => number
  readonly retryMsMax: number
  readonly onAnswer: (answer: RemotingAnswer) => void
  readonly log: Log
}

export class NameServerLink {
  readonly #options: NameServerLinkOptions
  readonly #changed = new Set<string>()
  #mustTellAll = false
  #connection: RemotingConnection | undefined
  #working: Promise<void> | undefined
  #isClosed = false
  /** Undefined until the first attempt has ended. */
  #isUp: boolean | undefined
  #retryMs = RETRY_MS_MIN
  #retry: NodeJS.Timeout | undefined

  constructor(options: NameServerLinkOptions) {
    this.#options = options
  }

  get nameServer(): HostAddress {
    return this.#options.nameServer
  }

  /** Whether the last registration was taken. */
  get isUp(): boolean {
    return this.#isUp === true
  }

  /** Resolves when the attempt has ended, well or not. */
  registerAll(): Promise<void> {
    this.#mustTellAll = true
    return this.#work()
  }

  topicChanged(name: string): void {
    this.#changed.add(name)
    void this.#work()
  }

  /** Takes the broker out of the routes at once, if it is in them. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    const hangs = await this.#hangs()
    const connection = this.#connection
    if (connection === undefined) return
    try {
      if (!hangs && connection.isOpen && this.isUp) await this.#unregister(connection)
    } catch (error) {
      // It goes all the same: closing the connection takes the broker out, too.
      this.#options.log.warn('not unregistered from the name server', { ...this.#name(), error: error as Error })
    }
    connection.close('the broker stops')
  }

  /** Whether what is under way does not end soon. */
  async #hangs(): Promise<boolean> {
    if (this.#working === undefined) return false
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>(resolve => {
      timer = setTimeout(() => resolve(true), UNREGISTER_MS_MAX)
    })
    const ended = this.#working.then(() => false)
    return await Promise.race([ended, late]).finally(() => clearTimeout(timer))
  }

  #work(): Promise<void> {
    this.#working ??= this.#tellEverything().finally(() => {
      this.#working = undefined
    })
    return this.#working
  }

  async #tellEverything(): Promise<void> {
    try {
      while (!this.#isClosed && (this.#mustTellAll || this.#changed.size > 0)) await this.#tellNext()
      this.#becomes(true)
      this.#retryMs = RETRY_MS_MIN
    } catch (error) {
      this.#mustTellAll = true
      this.#becomes(false, error)
      this.#retrySoon()
    }
  }

  async #tellNext(): Promise<void> {
    const connection = await this.#connected()
    const isWhole = this.#mustTellAll
    const { reports } = this.#options
    const report = isWhole ? reports.whole() : reports.some(this.#changed)
    this.#mustTellAll = false
    this.#changed.clear()

    const answer = await this.#register(connection, report)
    if (answer.code === RESPONSE.SUCCESS) return this.#options.onAnswer(answer)
    // It has forgotten this broker, as after its own restart, and wants to hear everything first.
    if (!isWhole) this.#mustTellAll = true
    else
      throw new VarveError('NAME_SERVER_REFUSED', { ...this.#name(), code: answer.code, remark: answer.remark ?? '' })
  }

  #register(connection: RemotingConnection, { body }: TopicReport): Promise<RemotingAnswer> {
    const fields = {
      ...this.#options.fieldsFor(connection),
      compressed: false,
      bodyCrc32: crc32(body) & CHECKSUM_MASK,
      enableActingMaster: false
    }
    return connection.call(REQUEST.REGISTER_BROKER, fields, { body, timeoutMs: this.#options.timeoutMs() })
  }

  async #unregister(connection: RemotingConnection): Promise<void> {
    const { clusterName, brokerName, brokerId, brokerAddr } = this.#options.fieldsFor(connection)
    const timeoutMs = Math.min(UNREGISTER_MS_MAX, this.#options.timeoutMs())
    await connection.call(REQUEST.UNREGISTER_BROKER, { clusterName, brokerName, brokerId, brokerAddr }, { timeoutMs })
  }

  async #connected(): Promise<RemotingConnection> {
    if (this.#connection?.isOpen) return this.#connection
    const connection = await this.#options.connect(this.nameServer)
    if (this.#isClosed) {
      connection.close('the broker stops')
      throw new VarveError('PEER_CLOSED', { reason: 'the broker stops' })
    }
    this.#connection = connection
    connection.onClosed(reason => {
      if (this.#connection !== connection || this.#isClosed) return
      this.#connection = undefined
      this.#mustTellAll = true
      this.#becomes(false, reason)
      this.#retrySoon()
    })
    return connection
  }

  #retrySoon(): void {
    if (this.#isClosed) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#work(), this.#retryMs).unref()
    this.#retryMs = Math.min(2 * this.#retryMs, this.#options.retryMsMax)
  }

  /** Told once for each change, not for each attempt. */
  #becomes(isUp: boolean, why?: unknown): void {
    if (isUp === this.#isUp || this.#isClosed) return
    this.#isUp = isUp
    const { log } = this.#options
    if (isUp) log.info('registered with the name server', this.#name())
    else
      log.warn('not registered with the name server', {
        ...this.#name(),
        ...(why instanceof Error ? { error: why } : { reason: String(why) })
      })
  }

  #name() {
    return { nameServer: addressText(this.nameServer) }
  }
}
