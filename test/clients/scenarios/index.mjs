/** All scenarios, in the order in which they start. Long ones first, so that none is left over at the end. */
import { crashes } from './crashes.mjs'
import { filtering } from './filtering.mjs'
import { groups } from './groups.mjs'
import { mixed } from './mixed.mjs'
import { nameServers } from './name-servers.mjs'
import { positions } from './positions.mjs'
import { reading } from './reading.mjs'
import { sending } from './sending.mjs'
import { tools } from './tools.mjs'

export const scenarios = [
  ...groups,
  ...mixed,
  ...tools,
  ...crashes,
  ...nameServers,
  ...positions,
  ...sending,
  ...filtering,
  ...reading
]
