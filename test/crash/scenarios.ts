/** All scenarios of the suite, in the order in which they run. */
import { blockLog } from './block-log.ts'
import { broker } from './broker.ts'
import { clock } from './clock.ts'
import { controls } from './controls.ts'
import { damage } from './damage.ts'
import { damageBroker } from './damage-broker.ts'
import { faults } from './faults.ts'
import { full } from './full.ts'
import { fullDisk } from './full-disk.ts'
import { kill } from './kill.ts'
import { memory } from './memory.ts'
import { network } from './network.ts'
import { outside } from './outside.ts'
import { power, readers } from './power.ts'
import { rot } from './rot.ts'
import type { Scenario } from './scenario.ts'
import { slow } from './slow.ts'
import { syscalls } from './syscalls.ts'
import { tables } from './tables.ts'
import { threads } from './threads.ts'

export const scenarios: readonly Scenario[] = [
  power,
  readers,
  faults,
  full,
  fullDisk,
  rot,
  damage,
  damageBroker,
  tables,
  threads,
  kill,
  blockLog,
  syscalls,
  outside,
  broker,
  network,
  clock,
  slow,
  memory,
  controls
]
