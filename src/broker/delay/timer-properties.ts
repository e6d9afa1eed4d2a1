/** Properties by which a message says when it is to be delivered. */
import { encodeText } from '../../layout/index.ts'

/** In the order in which they count. */
export const TIMER_PROPERTIES = ['TIMER_DELAY_SEC', 'TIMER_DELAY_MS', 'TIMER_DELIVER_MS', '__STARTDELIVERTIME'].map(
  name => encodeText(name)
)
