import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BROKER_KEYS } from '../../src/broker/index.ts'
import { readConfig, variableOf } from '../../src/cli/config-layers.ts'
import { freshDirectory } from '../support/store-fixtures.ts'
import { jsonLines, jsonOf, varve } from './varve.ts'

function fileWith(text: string, path = join(freshDirectory(), 'broker.conf')): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

describe('settings of a broker', () => {
  test('come from broker.conf, then administrators, then the environment, then flags; the later wins', () => {
    const store = freshDirectory()
    const all = 'regionId=file\nbrokerPermission=2\nmsgTraceTopicName=file\nbrokerClusterName=file\n'
    fileWith(
      'regionId=updated\nbrokerPermission=4\nmsgTraceTopicName=updated\n',
      join(store, 'config/broker-updates.properties')
    )

    const { configuration } = readConfig(
      { config: fileWith(all), store, set: ['regionId=flag'] },
      { VARVE_REGION_ID: 'variable', VARVE_MSG_TRACE_TOPIC_NAME: 'variable' }
    )

    const told = (key: string) => [configuration.explain(key)?.value, configuration.explain(key)?.origin]
    expect(told('brokerClusterName')).toEqual(['file', expect.stringContaining('broker.conf')])
    expect(told('brokerPermission')).toEqual(['4', expect.stringContaining('mqadmin')])
    expect(told('msgTraceTopicName')).toEqual(['variable', 'environment'])
    expect(told('regionId')).toEqual(['flag', 'command line'])
    expect(told('listenPort')).toEqual(['10911', 'default'])
  })

  test.each([
    { flags: { listen: '127.0.0.2:20911' }, values: { bindAddress: '127.0.0.2', listenPort: 20_911 } },
    { flags: { listen: '[::1]:0' }, values: { bindAddress: '::1', listenPort: 0 } },
    { flags: { advertise: 'broker.example' }, values: { brokerIP1: 'broker.example', varveAdvertisedPort: 0 } },
    { flags: { advertise: '10.0.0.1:30911' }, values: { brokerIP1: '10.0.0.1', varveAdvertisedPort: 30_911 } },
    { flags: { flush: 'sync' }, values: { flushDiskType: 'SYNC_FLUSH' } },
    { flags: { nameserver: 'off', http: 'off' }, values: { varveNameServer: 'off', varveHttp: 'off' } },
    { flags: { insecure: true as const }, values: { varveInsecure: true } },
    { flags: { set: ['regionId=a=b', 'regionId = c '] }, values: { regionId: 'c' } }
  ])('are set by flags: $flags', ({ flags, values }) => {
    expect(readConfig(flags, {}).configuration.values).toMatchObject(values)
  })

  test('take the name servers from the variable that RocketMQ has for them', () => {
    expect(readConfig({}, { NAMESRV_ADDR: '10.0.0.1:9876' }).configuration.values.namesrvAddr).toBe('10.0.0.1:9876')
  })

  test('are not what a cluster puts into the environment of a service called varve', () => {
    const { strangeVariables } = readConfig({}, { VARVE_SERVICE_HOST: '10.0.0.1', VARVE_NATIVE_BINDINGS: 'x' })
    expect(strangeVariables).toEqual(['VARVE_SERVICE_HOST'])
  })

  test.each([
    { key: 'listenPort', variable: 'VARVE_LISTEN_PORT' },
    { key: 'brokerIP1', variable: 'VARVE_BROKER_IP1' },
    { key: 'storePathRootDir', variable: 'VARVE_STORE_PATH_ROOT_DIR' },
    { key: 'enabledAppendPropCRC', variable: 'VARVE_ENABLED_APPEND_PROP_CRC' },
    { key: 'varveHttp', variable: 'VARVE_HTTP' }
  ] as const)('have a variable each: $key is $variable', ({ key, variable }) => {
    expect(variableOf(key)).toBe(variable)
  })

  test('have no two keys with the same variable', () => {
    const variables = Object.keys(BROKER_KEYS).map(variableOf)
    expect(new Set(variables).size).toBe(variables.length)
  })
})

describe('varve config explain', () => {
  test('lists every key that acts, with value and origin', async () => {
    const run = await varve('config', 'explain', '--json', '--set', 'brokerPermission=4')

    const lines = jsonLines(run)
    expect(lines.map(({ name }) => name)).toEqual(Object.keys(BROKER_KEYS))
    expect(lines).toContainEqual(
      expect.objectContaining({ name: 'brokerPermission', value: '4', origin: 'command line' })
    )
  })

  test('tells of one key what it means and how to set it', async () => {
    const { stdout } = await varve('config', 'explain', 'flushDiskType', '--flush', 'sync')

    expect(stdout).toMatch(/^value +SYNC_FLUSH$/m)
    expect(stdout).toMatch(/^origin +command line$/m)
    expect(stdout).toMatch(/^default +ASYNC_FLUSH$/m)
    expect(stdout).toMatch(/^environment +VARVE_FLUSH_DISK_TYPE$/m)
  })

  test('says of a key of RocketMQ without effect that it has none', async () => {
    expect((await varve('config', 'explain', 'sendMessageThreadPoolNums')).stdout).toMatch(/^takes effect +none here$/m)
  })

  test('of a key that nobody knows names the nearest', async () => {
    const { status, stderr } = await varve('config', 'explain', 'brokerNmae')
    expect(status).toBe(1)
    expect(stderr).toContain('did you mean brokerName?')
  })
})

describe('varve config check', () => {
  test('is content with a file of RocketMQ, and says which of its keys do nothing here', async () => {
    const path = fileWith('# A comment\nbrokerName = a\nflushDiskType=SYNC_FLUSH\nsendMessageThreadPoolNums=4\n')

    const run = await varve('config', 'check', '-c', path, '--json')

    expect(run.status).toBe(0)
    expect(jsonOf(run)).toEqual({ path, keyCount: 3, withoutEffect: ['sendMessageThreadPoolNums'] })
  })

  test.each([
    { text: 'brokerNmae=a', says: 'did you mean brokerName?' },
    { text: 'listenPort=many', says: 'an integer from 0 to 65535' },
    { text: 'flushDiskType=MAYBE', says: 'ASYNC_FLUSH or SYNC_FLUSH' }
  ])('is not content with $text', async ({ text, says }) => {
    const path = fileWith(text)
    const { status, stderr } = await varve('config', 'check', '-c', path)
    expect(status).toBe(1)
    expect(stderr).toContain(says)
    expect(stderr).toContain(path)
  })
})
