import { describe, expect, test } from 'vitest'
import { defaultGateways, gatewaysIn } from '../../src/nameserver/gateway-hint.ts'
import { addressText, LocalAddresses } from '../../src/nameserver/local-addresses.ts'

describe('the default gateways of a machine', () => {
  test('are those of its routes to everywhere', () => {
    const routes = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
      'eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0',
      'eth2\t00000000\tFE01A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'broken\t00000000\tXYZ',
      ''
    ]
    expect(gatewaysIn(routes.join('\n'))).toEqual(['172.17.0.1', '192.168.1.254'])
    expect(gatewaysIn('')).toEqual([])
  })

  test('are read from the system, or are none where it does not tell', () => {
    for (const gateway of defaultGateways()) expect(gateway).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
  })
})

describe('an address', () => {
  test.each<{ address: string; text: string }>([
    { address: '127.0.0.1', text: '127.0.0.1:10911' },
    { address: 'broker.example', text: 'broker.example:10911' },
    { address: '::1', text: '[::1]:10911' }
  ])('$address is written as clients split it: $text', ({ address, text }) => {
    expect(addressText({ address, port: 10911 })).toBe(text)
  })

  test('of this process is the end of the connection that asks, with the port of the broker; all others stay', () => {
    const local = new LocalAddresses()
    const [broker, ha] = [local.add(10911), local.add(10912)]
    const end = { address: '::1', port: 9876 }
    expect([local.resolve(broker, end), local.resolve(ha, end)]).toEqual(['[::1]:10911', '[::1]:10912'])
    expect(local.resolve('10.0.0.1:10911', end)).toBe('10.0.0.1:10911')
    expect(local.resolve('this process 99', end)).toBe('this process 99')
  })
})
