/** Which broker a load is put on, and which process that is, where it runs on this machine. */
import { type Clock, VarveError } from '../../base/index.ts'
import { portHolderPid } from '../../protocol/index.ts'
import { openBrokers } from '../brokers.ts'

export interface Place {
  /** HOST:PORT */
  readonly broker: string
  readonly pid?: number
}

const BROKER_DEFAULT = '127.0.0.1:10911'
const LOOPBACK = /^(127\.|localhost|\[?::1)/

export async function placeOf(
  { broker, nameserver, pid }: { broker?: string; nameserver?: string; pid?: number },
  clock: Clock
): Promise<Place> {
  const address = broker ?? (nameserver === undefined ? BROKER_DEFAULT : await masterOf(nameserver, clock))
  const found =
    pid ?? (LOOPBACK.test(address) ? portHolderPid(Number(address.slice(address.lastIndexOf(':') + 1))) : undefined)
  return { broker: address, ...(found === undefined ? {} : { pid: found }) }
}

/** @throws VarveError PEER_UNREACHABLE, PARAMETER_INVALID where the name server knows no master */
async function masterOf(nameserver: string, clock: Clock): Promise<string> {
  await using brokers = await openBrokers({ nameserver }, clock)
  const [first] = brokers.all
  if (first === undefined) throw new VarveError('PARAMETER_INVALID', { parameter: '--nameserver', value: nameserver })
  return first.address
}
