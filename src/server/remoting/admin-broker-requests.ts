/** Requests about the broker itself: its settings, what it is doing, and its statistics. */
import { VarveError } from '../../base/index.ts'
import { parseProperties } from '../../broker/index.ts'
import { field, printWire, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { runtimeInfo } from './runtime-info.ts'

const F = {
  version: field('version'),
  statsName: field('statsName'),
  statsKey: field('statsKey')
}

export function adminBrokerRequests(world: BrokerWorld): Handlers {
  const { broker } = world
  const { configuration, stats } = broker
  return [
    [
      REQUEST.GET_BROKER_CONFIG,
      (request, { connection }) => {
        connection
          .begin(request.opaque, RESPONSE.SUCCESS)
          .utf8(F.version, printWire(configuration.version))
          .endWith(new TextEncoder().encode(configuration.print()))
      }
    ],
    [
      REQUEST.UPDATE_BROKER_CONFIG,
      async (request, session) => {
        const { opaque, isOneway } = request
        await broker.updateConfig(parseProperties(new TextDecoder().decode(request.body)))
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.GET_BROKER_RUNTIME_INFO,
      async (request, session) => {
        const { opaque, isOneway } = request
        session.succeed({ opaque, isOneway }, printWire({ table: await runtimeInfo(world) }))
      }
    ],
    [
      REQUEST.VIEW_BROKER_STATS_DATA,
      (request, session) => {
        const name = request.requiredText(F.statsName)
        const key = request.requiredText(F.statsKey)
        const view = stats.view(name, key)
        if (view === undefined) throw new VarveError('STATISTICS_UNKNOWN', { name, key })
        session.succeed(request, printWire({ statsDay: view.day, statsHour: view.hour, statsMinute: view.minute }))
      }
    ],
    [
      REQUEST.GET_ALL_DELAY_OFFSET,
      (request, session) => {
        session.succeed(request, new TextEncoder().encode(broker.delayed.progressText))
      }
    ],
    [
      REQUEST.GET_TIMER_METRICS,
      (request, session) => {
        session.succeed(request, new TextEncoder().encode(broker.delayed.timedCounts.text()))
      }
    ],
    [
      REQUEST.GET_BROKER_HA_STATUS,
      (request, session) => {
        const masterCommitLogMaxOffset = broker.store.info().appendedUntil
        session.succeed(
          request,
          printWire({ haConnectionInfo: [], inSyncSlaveNums: 0, master: true, masterCommitLogMaxOffset })
        )
      }
    ]
  ]
}
