/**
 * Requests by which producers say what becomes of their half messages. Most are oneway, and producers that hear nothing
 * lose nothing: the broker asks.
 */
import { VarveError } from '../../base/index.ts'
import type { Sending, TransactionEnd } from '../../broker/index.ts'
import { field, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'

const F = {
  producerGroup: field('producerGroup'),
  halfOffset: field('tranStateTableOffset'),
  physicalOffset: field('commitLogOffset'),
  decision: field('commitOrRollback'),
  isFromCheck: field('fromTransactionCheck'),
  transactionId: field('transactionId')
}

/** As transaction bits of a record; 0 is a producer that does not know yet. */
const DECISIONS: ReadonlyMap<number, 'commit' | 'rollback'> = new Map([
  [8, 'commit'],
  [12, 'rollback']
])

export function transactionRequests({ broker, log }: BrokerWorld): Handlers {
  const { transactions, config, sending } = broker

  /** Who throws a decision does not hear that it is refused: the log tells. */
  function thrown(end: TransactionEnd): number | Promise<number> {
    const refused = (error: unknown): never => {
      if (error instanceof VarveError) log.warn('decision of a transaction refused', { ...end, error })
      throw error
    }
    try {
      const until = transactions.end(end)
      return typeof until === 'number' ? until : until.catch(refused)
    } catch (error) {
      return refused(error)
    }
  }

  return [
    [
      REQUEST.END_TRANSACTION,
      (request, session) => {
        const { opaque, isOneway, remark = '' } = request
        if (config.brokerRole === 'SLAVE') {
          if (isOneway) return
          return session.connection.begin(opaque, RESPONSE.SLAVE_NOT_AVAILABLE, 'a slave decides nothing').end()
        }
        const decision = DECISIONS.get(request.int(F.decision))
        const producerGroup = request.requiredInterned(F.producerGroup)
        if (decision === undefined) {
          // No answer is what clients have always got: the broker asks again, and goes by what it hears then.
          log.debug('transaction undecided', { producerGroup, transactionId: request.text(F.transactionId), remark })
          return
        }
        const end = {
          producerGroup,
          halfOffset: request.long(F.halfOffset),
          physicalOffset: request.long(F.physicalOffset),
          decision,
          isFromCheck: request.bool(F.isFromCheck)
        }
        const until = isOneway ? thrown(end) : transactions.end(end)
        const waits = config.flushDiskType === 'SYNC_FLUSH' && !isOneway
        if (typeof until === 'number' && !waits) return session.succeed({ opaque, isOneway })
        return succeedOnceSafe(until)

        async function succeedOnceSafe(deciding: number | Promise<number>): Promise<void> {
          const position = await deciding
          const isSafe = !waits || (await durable(sending, position))
          if (isSafe) session.succeed({ opaque, isOneway })
          else session.connection.begin(opaque, RESPONSE.FLUSH_DISK_TIMEOUT).end()
        }
      }
    ]
  ]
}

function durable(sending: Sending, until: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const durable = (outcome: boolean | Error): void => (outcome instanceof Error ? reject(outcome) : resolve(outcome))
    sending.durable(until, { durable })
  })
}
