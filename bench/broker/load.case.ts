/** A load on a broker that runs already, in a process of its own; `generator.ts` is the same for a person. */
import { type LoadSettings, runLoad } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

await runCase<LoadSettings>(runLoad)
