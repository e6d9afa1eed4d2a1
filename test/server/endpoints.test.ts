import { describe, expect, test } from 'vitest'
import { type BrokerConfig, brokerConfig } from '../../src/broker/index.ts'
import { endpointsOf, storeHostOf } from '../../src/server/endpoints.ts'

describe('the endpoints of a server', () => {
  test.each<{ what: string; config: Partial<BrokerConfig>; endpoints: object }>([
    {
      what: 'by default',
      config: {},
      endpoints: {
        broker: { host: '127.0.0.1', port: 10_911 },
        nameServer: { host: '127.0.0.1', port: 9876 },
        http: { host: '127.0.0.1', port: 5557 },
        nameServersElsewhere: [],
        advertised: undefined,
        exposed: []
      }
    },
    {
      what: 'with other name servers, whose place its own does not take',
      config: { namesrvAddr: '10.0.0.1:9876; 10.0.0.2' },
      endpoints: {
        nameServer: undefined,
        nameServersElsewhere: [
          { address: '10.0.0.1', port: 9876 },
          { address: '10.0.0.2', port: 9876 }
        ]
      }
    },
    {
      what: 'with other name servers and its own beside them',
      config: { namesrvAddr: '10.0.0.1:9876', varveNameServer: '127.0.0.1:9877' },
      endpoints: { nameServer: { host: '127.0.0.1', port: 9877 } }
    },
    {
      what: 'with nothing but the broker',
      config: { varveNameServer: 'off', varveHttp: 'OFF' },
      endpoints: { nameServer: undefined, http: undefined }
    },
    {
      what: 'on all addresses, the name server with it',
      config: { bindAddress: '0.0.0.0', varveInsecure: true },
      endpoints: { nameServer: { host: '0.0.0.0', port: 9876 }, exposed: ['0.0.0.0:10911', '0.0.0.0:9876'] }
    },
    {
      what: 'without a broker: the name server, wherever brokers of this machine register',
      config: {
        varveBroker: false,
        namesrvAddr: '10.0.0.1:9876',
        bindAddress: '0.0.0.0',
        varveNameServer: '127.0.0.1'
      },
      endpoints: { nameServer: { host: '127.0.0.1', port: 9876 }, exposed: [] }
    },
    {
      what: 'without a broker, where name servers elsewhere are set: the name server all the same',
      config: { varveBroker: false, namesrvAddr: '10.0.0.1:9876' },
      endpoints: { nameServer: { host: '127.0.0.1', port: 9876 } }
    },
    {
      what: 'behind a port that is mapped',
      config: { brokerIP1: 'broker.example', varveAdvertisedPort: 30_911 },
      endpoints: { advertised: { host: 'broker.example', port: 30_911 } }
    }
  ])('$what', ({ config, endpoints }) => {
    expect(endpointsOf(brokerConfig(config))).toMatchObject(endpoints)
  })

  test.each<{ config: Partial<BrokerConfig> }>([
    { config: { bindAddress: '0.0.0.0' } },
    { config: { bindAddress: '::' } },
    { config: { bindAddress: '10.0.0.1' } },
    { config: { bindAddress: '127.evil.example' } },
    { config: { varveHttp: '0.0.0.0:5557' } },
    { config: { varveNameServer: '192.168.0.1:9876' } }
  ])('are refused where others could reach them: $config', ({ config }) => {
    expect(() => endpointsOf(brokerConfig(config))).toThrow('ADDRESS_INSECURE')
  })

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('may be on loopback: %s', bindAddress => {
    expect(endpointsOf(brokerConfig({ bindAddress })).exposed).toEqual([])
  })

  test.each<{ config: Partial<BrokerConfig> }>([
    { config: { varveHttp: 'localhost:' } },
    { config: { varveHttp: 'a b:80' } },
    { config: { varveNameServer: '127.0.0.1:70000' } },
    { config: { namesrvAddr: '10.0.0.1:0' } },
    { config: { varveAdvertisedPort: 30_911 } },
    { config: { brokerIP1: 'my host' } }
  ])('are refused where they are none: $config', ({ config }) => {
    expect(() => endpointsOf(brokerConfig(config))).toThrow('CONFIG_INVALID')
  })
})

describe('the host that messages are stored with', () => {
  test.each<{ config: Partial<BrokerConfig>; host: object }>([
    { config: {}, host: { address: '127.0.0.1', port: 20_911 } },
    { config: { bindAddress: 'localhost' }, host: { address: '127.0.0.1', port: 20_911 } },
    { config: { brokerIP1: '10.0.0.1' }, host: { address: '10.0.0.1', port: 20_911 } },
    { config: { brokerIP1: '10.0.0.1', varveAdvertisedPort: 30_911 }, host: { address: '10.0.0.1', port: 30_911 } },
    { config: { brokerIP1: 'broker.example' }, host: { address: '127.0.0.1', port: 20_911 } }
  ])('is an IP address under which clients reach the broker: $config', ({ config, host }) => {
    expect(storeHostOf(endpointsOf(brokerConfig(config)), 20_911)).toEqual(host)
  })

  test('is an address of this machine, not all of them', () => {
    const endpoints = endpointsOf(brokerConfig({ bindAddress: '0.0.0.0', varveInsecure: true }))
    expect(storeHostOf(endpoints, 1).address).toMatch(/^(?!0\.)\d+\.\d+\.\d+\.\d+$/)
  })
})
