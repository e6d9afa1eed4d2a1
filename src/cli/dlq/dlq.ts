/** `varve dlq`: the dead letters of consumer groups on running brokers, Varve's or Apache RocketMQ's. One file for each verb. */
import { Command } from 'commander'
import type { CliWorld } from '../terminal.ts'
import { dlqExportCommand } from './dlq-export.ts'
import { dlqListCommand } from './dlq-list.ts'
import { dlqRequeueCommand } from './dlq-requeue.ts'
import { dlqShowCommand } from './dlq-show.ts'

export function dlqCommand(world: CliWorld): Command {
  const dlq = new Command('dlq').description('what consumer groups have given up: see it, keep it, send it again')
  for (const make of [dlqListCommand, dlqShowCommand, dlqRequeueCommand, dlqExportCommand]) dlq.addCommand(make(world))
  return dlq
}
