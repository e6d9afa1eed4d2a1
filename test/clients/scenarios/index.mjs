/** All scenarios, in the order in which they start. Long ones first, so that none is left over at the end. */
import { crashes } from './crashes.mjs'
import { delayHandover } from './delay-handover.mjs'
import { delays } from './delays.mjs'
import { filtering } from './filtering.mjs'
import { groups } from './groups.mjs'
import { mixed } from './mixed.mjs'
import { nameServers } from './name-servers.mjs'
import { order } from './order.mjs'
import { positions } from './positions.mjs'
import { reading } from './reading.mjs'
import { requests } from './requests.mjs'
import { retries } from './retries.mjs'
import { sending } from './sending.mjs'
import { tools } from './tools.mjs'
import { transactions } from './transactions.mjs'

export const scenarios = [
  ...order,
  ...groups,
  ...mixed,
  ...tools,
  ...delayHandover,
  ...transactions,
  ...retries,
  ...crashes,
  ...nameServers,
  ...positions,
  ...delays,
  ...requests,
  ...sending,
  ...filtering,
  ...reading
]
