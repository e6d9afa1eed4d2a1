/**
 * `varve config`: what the settings of a broker are, where each comes from and what it means; whether a file is right.
 *
 * Both read the same sources as `varve start` and start nothing.
 */
import { Command } from 'commander'
import { systemClock, VarveError } from '../base/index.ts'
import { BROKER_KEYS, type ConfigExplanation, type Configuration, resolveConfig } from '../broker/index.ts'
import { type ConfigFlags, withConfigFlags } from './config-flags.ts'
import { fileConfig, fileLayer, readConfig, variableOf } from './config-layers.ts'
import { type CliWorld, facts, printJson, printLines, table } from './terminal.ts'

export function configCommand(world: CliWorld): Command {
  return new Command('config')
    .description('the settings of a broker: where each comes from, what it means, whether a file is right')
    .addCommand(explainCommand(world))
    .addCommand(checkCommand(world))
}

function explainCommand(world: CliWorld): Command {
  return withConfigFlags(new Command('explain'))
    .description('shows each value with its origin; of one key also default, meaning and other ways to set it')
    .argument('[key]', 'a key of broker.conf')
    .option('--json', 'print JSON on stdout, and nothing else')
    .action(async (key: string | undefined, flags: ConfigFlags & { json?: true }) => {
      const { configuration } = readConfig(flags)
      const explained = key === undefined ? configuration.explainAll() : [explainOne(configuration, key)]
      if (flags.json) for (const one of explained) await printJson(world, { ...one, variable: variableOf(one.name) })
      else await printLines(world, key === undefined ? overview(explained) : whole(explained[0] as ConfigExplanation))
    })
}

function checkCommand(world: CliWorld): Command {
  return new Command('check')
    .description('reads a broker.conf and says what is wrong with it, or which of its keys do nothing here')
    .requiredOption('-c, --config <file>', 'a broker.conf of RocketMQ')
    .option('--json', 'print JSON on stdout, and nothing else')
    .action(async ({ config, json }: { config: string; json?: true }) => {
      const idle = fileConfig(config).idleKeys()
      const keyCount = Object.keys(fileLayer(config).properties).length
      if (json) await printJson(world, { path: config, keyCount, withoutEffect: idle })
      else await printLines(world, checkedInWords(config, keyCount, idle))
    })
}

/** @throws VarveError CONFIG_INVALID with the nearest name */
function explainOne(configuration: Configuration, key: string): ConfigExplanation {
  const explained = configuration.explain(key)
  if (explained !== undefined) return explained
  // The same words as for a file that has such a key.
  resolveConfig([{ origin: 'command line', properties: { [key]: '' } }], systemClock)
  throw new VarveError('CONFIG_INVALID', { key, origin: 'command line', reason: 'there is no such key' })
}

function overview(all: readonly ConfigExplanation[]): string[] {
  const rows = all.map(({ name, value, origin }) => [name, value === '' ? '-' : value, origin])
  return [
    ...table([['key', 'value', 'origin'], ...rows]),
    '',
    'varve config explain KEY tells what a key means. Keys of RocketMQ that do nothing here are accepted and not listed.'
  ]
}

function whole({ name, value, origin, default: otherwise, effect, meaning, storeOption }: ConfigExplanation): string[] {
  return facts([
    ['key', name],
    ['value', value === '' ? '(empty)' : value],
    ['origin', origin],
    ['default', otherwise === '' ? '(empty)' : otherwise],
    ['meaning', meaning],
    ['takes effect', effect === 'live' ? 'at once, also when changed by mqadmin' : effect],
    ...(Object.hasOwn(BROKER_KEYS, name) ? [['environment', variableOf(name)] as const] : []),
    ...(storeOption === undefined ? [] : [['store option', storeOption] as const])
  ])
}

function checkedInWords(path: string, keyCount: number, idle: readonly string[]): string[] {
  if (idle.length === 0) return [`${path}: ${keyCount} keys, all known`]
  return [`${path}: ${keyCount} keys, all known; without effect here: ${idle.join(', ')}`]
}
