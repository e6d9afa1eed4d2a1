/** `varve start --listen off`: the name server alone, and what is said when it is there. */
import type { Configuration } from '../broker/index.ts'
import { type NameServerAlone, type NameServerOptions, startNameServer } from '../server/index.ts'
import { type CliWorld, facts, printJson, printLines } from './terminal.ts'

export async function startNameServerAlone(
  world: CliWorld,
  options: NameServerOptions,
  how: { readonly json: boolean; readonly settings: (configuration: Configuration) => string }
): Promise<NameServerAlone> {
  const server = await startNameServer(options)
  const { addresses, directory } = server
  if (how.json) {
    await printJson(world, { ...addresses, directory, pid: process.pid })
    return server
  }
  const { nameServer, http } = addresses
  await printLines(world, [
    ...facts([
      ['broker', 'off'],
      ['name server', nameServer],
      ['http', http === undefined ? 'off' : `http://${http}/metrics, /healthz, /readyz, /version`],
      ['directory', directory],
      ['settings', how.settings(options.configuration)]
    ]),
    '',
    `try:  varve start --nameserver off --set namesrvAddr=${nameServer}      or mqbroker -n ${nameServer}`,
    'Ctrl-C stops it cleanly. `varve config explain` shows every setting.'
  ])
  return server
}
