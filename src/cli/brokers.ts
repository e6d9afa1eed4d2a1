/**
 * Which brokers a verb talks to: the one that is named, or every master that the name server knows. One
 * that cannot be reached does not keep the others from being looked at; the result then says that it is not the whole.
 */
import { type Clock, report, VarveError } from '../base/index.ts'
import { objectOf, textOf } from '../broker/index.ts'
import { REQUEST } from '../protocol/index.ts'
import { type BrokerClient, connectBroker, jsonOf } from './broker-client.ts'

export interface BrokerFlags {
  readonly nameserver?: string
  readonly broker?: string
}

/** What went wrong with one broker. */
export interface BrokerFailure {
  readonly broker: string
  readonly error: { readonly code: string; readonly message: string }
}

export const NAME_SERVER_DEFAULT = '127.0.0.1:9876'
const MASTER_ID = '0'

export class Brokers implements AsyncDisposable {
  readonly all: readonly BrokerClient[]
  readonly failures: BrokerFailure[]

  constructor(all: readonly BrokerClient[], failures: BrokerFailure[]) {
    this.all = all
    this.failures = failures
  }

  /** Does it for each broker; one that fails is noted, and the next has its turn. */
  async each(work: (broker: BrokerClient) => Promise<void>): Promise<void> {
    for (const broker of this.all) {
      try {
        await work(broker)
      } catch (error) {
        this.failures.push(failureOf(broker.name, error))
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.all) broker.close()
  }
}

/** @throws VarveError PEER_UNREACHABLE if the name server, or every broker, is out of reach */
export async function openBrokers({ nameserver, broker }: BrokerFlags, clock: Clock): Promise<Brokers> {
  if (broker !== undefined) return new Brokers([await connectBroker(broker, broker, clock)], [])
  const masters = await mastersOf(nameserver ?? NAME_SERVER_DEFAULT, clock)
  const all: BrokerClient[] = []
  const failures: BrokerFailure[] = []
  let last: unknown
  for (const [name, address] of masters) {
    try {
      all.push(await connectBroker(name, address, clock))
    } catch (error) {
      last = error
      failures.push(failureOf(name, error))
    }
  }
  if (all.length === 0 && last !== undefined) throw last
  return new Brokers(all, failures)
}

/** @throws VarveError for what is no failure of a peer: it is ours */
function failureOf(broker: string, error: unknown): BrokerFailure {
  if (!(error instanceof VarveError)) throw error
  return { broker, error: { code: report(error).code, message: error.message } }
}

async function mastersOf(nameServer: string, clock: Clock): Promise<[name: string, address: string][]> {
  const [first = nameServer] = nameServer.split(';')
  const client = await connectBroker('name server', first, clock)
  try {
    const { brokerAddrTable } = jsonOf(await client.ask(REQUEST.GET_BROKER_CLUSTER_INFO))
    return Object.entries(objectOf(brokerAddrTable) ?? {})
      .flatMap(([name, broker]): [string, string][] => {
        const address = textOf(objectOf(objectOf(broker)?.brokerAddrs)?.[MASTER_ID])
        return address === undefined ? [] : [[name, address]]
      })
      .sort(([a], [b]) => (a < b ? -1 : 1))
  } finally {
    client.close()
  }
}
