/** All scenarios, in the order in which they run. */
import { sending } from './sending.mjs'

export const scenarios = [...sending]
