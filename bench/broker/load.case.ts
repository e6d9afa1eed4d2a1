/** A load on a broker that runs already, in a process of its own; `generator.ts` is the same for a person. */
import { runCase } from '../case.ts'
import { type LoadSettings, runLoad } from './loads.ts'

await runCase<LoadSettings>(runLoad)
