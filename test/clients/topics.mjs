/** Making a topic by request, and knowing when clients can find it. */
import { setTimeout as pause } from 'node:timers/promises'
import { ask } from './wire.mjs'

const CODE = { createTopic: 17, route: 105 }
const VISIBLE_MS_MAX = 40_000
const LOOK_EVERY_MS = 50

/** Resolves once the name server names it on so many brokers. */
export async function createTopic({ nameServer, brokers }, topic, { queues = 4, perm = 6 } = {}) {
  for (const broker of brokers) {
    const { code, remark } = await ask(broker, CODE.createTopic, {
      topic,
      defaultTopic: 'TBW102',
      readQueueNums: queues,
      writeQueueNums: queues,
      perm,
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: 0,
      order: false
    })
    if (code !== 0) throw new Error(`topic ${topic} was not made: ${code} ${remark}`)
  }
  await untilRouted(nameServer, topic, brokers.length)
}

export async function untilRouted(nameServer, topic, brokerCount = 1) {
  const lastMs = performance.now() + VISIBLE_MS_MAX
  for (;;) {
    const { code, body } = await ask(nameServer, CODE.route, { topic })
    if (code === 0 && JSON.parse(body.toString()).queueDatas.length >= brokerCount) return
    if (performance.now() > lastMs) throw new Error(`the name server does not know topic ${topic}: ${code} ${body}`)
    await pause(LOOK_EVERY_MS)
  }
}
