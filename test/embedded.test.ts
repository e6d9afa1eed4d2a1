import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startBroker } from '../src/embedded.ts'
import { RESPONSE } from '../src/protocol/index.ts'
import { connectTo, send } from './support/remoting-client.ts'
import { freshDirectory } from './support/store-fixtures.ts'

const SMALL = {
  listenPort: '0',
  varveNameServer: '127.0.0.1:0',
  varveHttp: 'off',
  mappedFileSizeCommitLog: '1048576',
  mappedFileSizeConsumeQueue: '20000',
  maxHashSlotNum: '1000',
  maxIndexNum: '4000'
}

describe('a broker in the own process', () => {
  test('takes keys of broker.conf, accepts messages, and keeps them over a restart', async () => {
    const config = { ...SMALL, storePathRootDir: join(freshDirectory(), 'data') }
    const first = await startBroker({ config })
    const connection = await connectTo(first.addresses.broker)
    expect(await send(connection, 'orders', 'book')).toMatchObject({ code: RESPONSE.SUCCESS })
    await first.close()

    const second = await startBroker({ config })

    expect(second.storeHere.store.info().recovery.kind).toBe('clean')
    expect(second.storeHere.store.maxOffset({ topic: 'orders', queueId: 0 })).toBe(1)
    await second.close()
  })

  test.each([
    { what: 'without a directory', config: {}, code: 'OPTION_INVALID' },
    { what: 'with an unknown key', config: { brokerNmae: 'a' }, code: 'CONFIG_INVALID' }
  ])('$what is refused, and leaves no thread behind', async ({ config, code }) => {
    await expect(startBroker({ config: { ...SMALL, ...config } })).rejects.toMatchObject({ code })
  })
})
