/** A broker of Varve beside a broker of Apache RocketMQ, in one cluster under Apache's name server, for clients that know of neither. */
import { buildApacheServers, startApacheBroker, startApacheNameServer } from '../apache-servers.mjs'
import { acknowledgedIn } from '../judge.mjs'
import { createTopic } from '../topics.mjs'
import { startVarve } from '../varve-server.mjs'
import { expectSame } from '../world.mjs'

const COUNT = 200

export const mixed = [
  {
    name: 'clients use a broker of Varve and one of Apache side by side, and go on when one of them stops',
    needs: ['sync', 'push'],
    short: ['java 5'],
    targets: ['varve'],
    build: buildApacheServers,
    async run(world) {
      const nameServer = await startApacheNameServer({ home: world.home('name-server') })
      world.atEnd(() => nameServer.kill())
      const apache = await startApacheBroker({
        home: world.home('apache'),
        nameServer: nameServer.address,
        name: 'apache'
      })
      world.atEnd(() => apache.kill())
      const varve = await startVarve({ home: world.home('varve'), nameServer: nameServer.address, name: 'varve' })
      world.atEnd(() => varve.kill())
      const at = { nameServer: nameServer.address }
      const topic = world.group('topic')
      await createTopic({ ...at, brokers: [apache.address, varve.address] }, topic)

      const client = world.client(at)
      await client.run({ do: 'producer', as: 'p' })
      await client.run({ do: 'push', as: 'c', group: world.group(), topic })
      await client.run({ do: 'send', as: 'p', topic, count: COUNT })
      await world.untilConsumed([client], topic, COUNT)
      const { acknowledged } = world.judge({ topic, producers: [client], consumers: [client] })
      const brokers = new Set([...acknowledged.values()].map(({ broker }) => broker))
      expectSame([...brokers].sort(), ['apache', 'varve'], 'the brokers that messages went to')

      // It leaves the routes, clients learn that at their next look, and nothing more is lost than tries.
      await apache.stop()
      await world.until(async () => {
        const before = acknowledgedIn(client.journal, topic).size
        await client.run({
          do: 'send',
          as: 'p',
          topic,
          from: client.events('sent').length + client.events('unsent').length,
          count: 8
        })
        return acknowledgedIn(client.journal, topic).size === before + 8
      }, 'the producer sends to the broker that is left')
      const all = acknowledgedIn(client.journal, topic).size
      await world.untilConsumed([client], topic, all)
      world.judge({ topic, producers: [client], consumers: [client], mayArrive: () => true })
    }
  }
]
