/** mqadmin 5.5: each command that operators use daily, and the facts in what it prints. */
import { buildApacheServers, CLUSTER } from '../apache-servers.mjs'
import { consumedIn } from '../judge.mjs'
import { Mqadmin } from '../mqadmin.mjs'
import { expect, expectSame } from '../world.mjs'

const QUEUES = 4
const COUNT = 40
/** Beside messages: what a broker must tell of itself for tools to work. */
const STATUS_KEYS = [
  ...['bootTimestamp', 'brokerActive', 'brokerVersionDesc', 'commitLogMaxOffset', 'commitLogMinOffset'],
  ...['getTransferredTps', 'msgGetTotalTodayNow', 'msgPutTotalTodayNow', 'putTps', 'runtime', 'sendThreadPoolQueueSize']
]

export const tools = [
  tool('shows the cluster and the state of its broker', async ({ mqadmin, target, topic }) => {
    const [row, ...others] = await mqadmin.table('clusterList')
    const { 'Cluster Name': cluster, 'Broker Name': name, BID: id, Addr: address, ACTIVATED: isActive } = row
    expectSame(
      [cluster, name, id, address],
      [CLUSTER, target.brokerName, '0', target.broker],
      'the broker in clusterList'
    )
    expect(/^V5_\d_\d$/.test(row.Version) && others.length === 0, `version ${row.Version}, ${others.length} others`)
    expect(isActive === undefined || isActive === 'true', `activated: ${isActive}`)

    const status = pairsOf(await mqadmin.run('brokerStatus', '-b', target.broker))
    expectSame(
      STATUS_KEYS.filter(key => status[key] === undefined),
      [],
      'missing in brokerStatus'
    )
    expect(Number(status.msgPutTotalTodayNow) >= COUNT, `${status.msgPutTotalTodayNow} messages put`)
    expect(Number(status.commitLogMaxOffset) > 0, `the log ends at ${status.commitLogMaxOffset}`)
    expectSame(status.brokerActive, 'true', 'the broker is active')
    const byCluster = await mqadmin.run('brokerStatus', '-c', CLUSTER)
    expect(
      byCluster.some(line => line.includes(target.broker)),
      'brokerStatus of the cluster names the broker'
    )

    const config = pairsOf(await mqadmin.run('getBrokerConfig', '-b', target.broker), '=')
    const { brokerName, brokerClusterName, listenPort, enablePropertyFilter } = config
    const port = target.broker.split(':')[1]
    const wanted = [target.brokerName, CLUSTER, port, 'true']
    expectSame([brokerName, brokerClusterName, listenPort, enablePropertyFilter], wanted, 'getBrokerConfig')

    const [stats] = (await mqadmin.run('statsAll', '-t', topic)).slice(1)
    const [statsTopic, group, accumulation] = stats.trim().split(/\s+/)
    expectSame([statsTopic, group, accumulation], [topic, `${topic}-group`, '0'], 'statsAll')
    expectSame(stats.trim().split(/\s+/).slice(-2), [`${COUNT}`, `${COUNT}`], 'messages in and out in 24 hours')
  }),

  tool('shows topics, makes them, changes them and deletes them', async ({ mqadmin, target, topic }) => {
    expect((await mqadmin.run('topicList')).includes(topic), 'topicList has the topic')
    const withGroups = await mqadmin.run('topicList', '-c')
    const ofTopic = withGroups.find(line => line.includes(` ${topic} `)) ?? ''
    expectSame(ofTopic.trim().split(/\s+/), [CLUSTER, topic, `${topic}-group`], 'topicList -c')
    const rows = await mqadmin.table('topicStatus', '-t', topic)
    const queues = rows.filter(row => row['Broker Name'] === target.brokerName)
    expectSame(
      queues.map(({ QID }) => QID),
      ['0', '1', '2', '3'],
      'queues in topicStatus'
    )
    expectSame(
      queues.reduce((sum, row) => sum + Number(row['Max Offset']), 0),
      COUNT,
      'ends of queues in topicStatus'
    )
    expect(
      queues.every(row => row['Last Updated'] !== undefined),
      'each queue says when it was written to'
    )

    const made = `${topic}-made`
    const done = await mqadmin.run('updateTopic', '-b', target.broker, '-t', made, '-r', '3', '-w', '2')
    expect(
      done.some(line => line.includes('success')),
      done.join('\n')
    )
    expectSame(await routeOf(mqadmin, made), [[target.brokerName, 3, 2, 6]], 'the route of a topic that was made')
    await mqadmin.run('updateTopic', '-c', CLUSTER, '-t', made, '-r', '5', '-w', '5', '-p', '4')
    expectSame(await routeOf(mqadmin, made), [[target.brokerName, 5, 5, 4]], 'the route of a topic that was changed')
    await mqadmin.run('deleteTopic', '-c', CLUSTER, '-t', made)
    const gone = await mqadmin.said('topicRoute', '-t', made)
    expect(
      gone.some(line => line.includes('No topic route info')),
      `still there: ${gone.join('\n')}`
    )
    expect(!(await mqadmin.run('topicList')).includes(made), 'topicList has it no longer')
  }),

  tool('shows groups and who is in them, makes groups and deletes them', async ({ mqadmin, target, topic, as }) => {
    const group = `${topic}-group`
    const all = await mqadmin.table('consumerProgress')
    const row = all.find(({ Group }) => Group === group)
    expectSame(
      [row?.Count, row?.Type, row?.Model, row?.['Diff Total']],
      ['1', 'PUSH', 'CLUSTERING', '0'],
      'consumerProgress'
    )
    const progress = await mqadmin.run('consumerProgress', '-g', group)
    const queues = progress.filter(line => line.startsWith(`${topic} `)).map(line => line.trim().split(/\s+/))
    expectSame(queues.length, QUEUES, 'queues in consumerProgress')
    for (const [, , , end, consumed, behind] of queues)
      expectSame([end, behind], [consumed, '0'], 'a queue is consumed')
    expect(
      progress.some(line => /Consume Diff Total: 0/.test(line)),
      'nothing is left to consume'
    )

    const connection = await mqadmin.run('consumerConnection', '-g', group)
    expect(
      connection.some(line => line.includes(as) && line.includes('JAVA')),
      `the client is connected: ${connection}`
    )
    const subscriptions = connection.map(line => line.trim().split(/\s+/).join(' '))
    for (const line of [
      `${topic} *`,
      `%RETRY%${group} *`,
      'ConsumeType: CONSUME_PASSIVELY',
      'MessageModel: CLUSTERING'
    ])
      expect(subscriptions.includes(line), `${line} is missing in ${subscriptions.join('\n')}`)

    // The broker asks the client itself. Names of settings among the lines look like failures.
    const clientId = connection
      .find(line => line.includes(as))
      .trim()
      .split(/\s+/)[0]
    const running = await mqadmin.said('consumerStatus', '-g', group, '-i', clientId)
    for (const words of ['PROP_CONSUME_TYPE', topic])
      expect(
        running.some(line => line.includes(words)),
        `consumerStatus tells ${words}: ${running.join('\n')}`
      )

    const made = `${topic}-made`
    await mqadmin.run('updateSubGroup', '-b', target.broker, '-g', made, '-r', '3', '-q', '2')
    const config = pairsOf(await mqadmin.run('getConsumerConfig', '-g', made), '=')
    expectSame(
      [config.groupName, config.retryMaxTimes, config.retryQueueNums],
      [made, '3', '2'],
      'a group that was made'
    )
    await mqadmin.run('updateSubGroup', '-c', CLUSTER, '-g', made, '-r', '5')
    expectSame(
      pairsOf(await mqadmin.run('getConsumerConfig', '-g', made), '=').retryMaxTimes,
      '5',
      'a group that was changed'
    )
    await mqadmin.run('deleteSubGroup', '-c', CLUSTER, '-g', made)
    // Asking for its settings may make it anew, with the defaults.
    const { retryMaxTimes } = pairsOf(await mqadmin.said('getConsumerConfig', '-g', made), '=')
    expect(retryMaxTimes !== '5', 'a group that was deleted is forgotten')
  }),

  tool('shows messages by id, by key and by queue', async ({ mqadmin, topic, client }) => {
    const [, , sent] = client.events('sent')
    const place = [topic, `[key-${sent.id}]`, `${sent.queueId}`, `${sent.queueOffset}`, sent.offsetId]
    for (const command of ['queryMsgById', 'queryMsgByUniqueKey']) {
      const id = command === 'queryMsgById' ? sent.offsetId : sent.uniqueId
      const found = pairsOf(await mqadmin.run(command, '-i', id, '-t', topic))
      const foundPlace = ['Topic', 'Keys', 'Queue ID', 'Queue Offset'].map(name => found[name])
      expectSame(foundPlace, place.slice(0, -1), command)
      expect(found.Properties?.includes(sent.uniqueId), `${command} shows the properties`)
    }
    const [byKey] = (await mqadmin.run('queryMsgByKey', '-t', topic, '-k', `key-${sent.id}`)).slice(1)
    const [id, queueId, offset] = byKey.trim().split(/\s+/)
    expectSame([id, queueId, offset], [sent.uniqueId, `${sent.queueId}`, `${sent.queueOffset}`], 'queryMsgByKey')

    const printed = await mqadmin.run('printMsg', '-t', topic, '-d', 'true')
    const ids = printed.flatMap(line => /MSGID: (\S+)/.exec(line)?.[1] ?? [])
    expectSame(
      ids.sort(),
      client
        .events('sent')
        .map(({ uniqueId }) => uniqueId)
        .sort(),
      'printMsg shows each message once'
    )
    const red = await mqadmin.run('printMsg', '-t', topic, '-s', 'red')
    expectSame(red.filter(line => line.includes('MSGID')).length, COUNT / 2, 'messages with a tag in printMsg')
  }),

  tool('resets the offsets of a group, whether it is online or not', async ({ mqadmin, topic, client, world }) => {
    const group = `${topic}-group`
    const reset = async time => {
      const rows = await mqadmin.run('resetOffsetByTime', '-g', group, '-t', topic, '-s', time)
      return rows.filter(line => /^\S+\s+\d+\s+\d+\s*$/.test(line)).map(line => Number(line.trim().split(/\s+/)[2]))
    }
    expectSame(await reset('0'), [0, 0, 0, 0], 'offsets of an online group, from the beginning')
    // The broker tells the client at its next pull; it drops the queue and takes it again some seconds later.
    await world.until(
      () => consumedIn(client.journal, topic).length >= 2 * COUNT,
      () => `all is consumed again: ${consumedIn(client.journal, topic).length}`
    )
    await client.run({ do: 'stop', as: 'c' })

    expectSame(await reset('0'), [0, 0, 0, 0], 'offsets of an offline group, from the beginning')
    const behind = await mqadmin.run('consumerProgress', '-g', group)
    expect(
      behind.some(line => line.includes(`Consume Diff Total: ${COUNT}`)),
      `all is left to consume: ${behind.join('\n')}`
    )
    const ends = await reset('-1')
    expectSame(
      ends.reduce((sum, end) => sum + end, 0),
      COUNT,
      'offsets of an offline group, to the end'
    )
    const done = await mqadmin.run('consumerProgress', '-g', group)
    expect(
      done.some(line => line.includes('Consume Diff Total: 0')),
      `nothing is left to consume: ${done.join('\n')}`
    )
  })
]

/** With messages that one online group has consumed. */
function tool(name, check) {
  return {
    name: `mqadmin ${name}`,
    needs: ['sync', 'push', 'key'],
    with: 'java 5.5.0',
    short: 'all',
    build: buildApacheServers,
    async run(world) {
      const target = await world.target()
      const topic = await world.topic(target, 'tools', { queues: QUEUES })
      const client = world.client(target)
      await client.run({ do: 'producer', as: 'p' })
      await client.run({ do: 'send', as: 'p', topic, count: COUNT, keys: true, tags: ['red', 'blue'] })
      const as = `${topic}-member`
      await client.run({ do: 'push', as: 'c', instance: as, group: `${topic}-group`, topic })
      await world.untilConsumed([client], topic, COUNT)
      const mqadmin = new Mqadmin({ home: world.home('mqadmin'), nameServer: target.nameServer })
      world.atEnd(() => mqadmin.kill())
      await world.until(async () => {
        const progress = await mqadmin.said('consumerProgress', '-g', `${topic}-group`)
        const isDone = progress.some(line => line.includes('Consume Diff Total: 0'))
        return isDone && progress.filter(line => line.startsWith(`${topic} `)).length === QUEUES
      }, 'the group has committed everything')
      await check({ mqadmin, target, topic, client, world, as })
    }
  }
}

/** Lines of a name, a separator and a value. */
function pairsOf(lines, separator = ':') {
  return Object.fromEntries(
    lines.flatMap(line => {
      const at = line.indexOf(separator)
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()]]
    })
  )
}

/** For each broker its name, how many queues it reads and writes, and its permissions. */
async function routeOf(mqadmin, topic) {
  const text = (await mqadmin.run('topicRoute', '-t', topic)).join('')
  // Printed with numbers as names, which JSON has not.
  const { queueDatas } = JSON.parse(text.replaceAll(/([{,]\s*)(\d+):/g, '$1"$2":'))
  return queueDatas.map(queues => [queues.brokerName, queues.readQueueNums, queues.writeQueueNums, queues.perm])
}
