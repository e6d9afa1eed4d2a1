/** How a load says that it was not carried out as it should have been: then there are no figures. */
import { VarveError } from '../base/index.ts'

export const loadFailure = (reason: string): VarveError => new VarveError('LOAD_FAILED', { reason })
