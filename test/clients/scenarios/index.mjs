/** All scenarios, in the order in which they run. */
import { filtering } from './filtering.mjs'
import { groups } from './groups.mjs'
import { sending } from './sending.mjs'

export const scenarios = [...sending, ...filtering, ...groups]
