/**
 * The threads of a store's parts: allocator, flusher, dispatcher. Each loops over `step` of its part, sleeping in
 * between. They decide nothing; what they call is tested without them.
 *
 * A thread that sleeps announces it, so that it is woken at once. Waking costs whoever appends a system call, so while
 * work keeps coming allocator and dispatcher, whom nobody waits for, pause for a millisecond at a time instead.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { report, systemClock, unreachable, VarveError } from '../base/index.ts'
import {
  dropPagesHere,
  isShortage,
  openAllocatorPart,
  openDispatcherPart,
  openFlusherPart,
  openRealFiles,
  type Part,
  type PartWorld,
  Progress,
  prefaultHere,
  type QueueTableBytes,
  type Role,
  SLOT,
  type ThreadSetup
} from '../store/index.ts'
import type { FromPart, PartTask, ToPart } from './part-messages.ts'

const PAUSE_MS = 1
const PAUSES_BEFORE_SLEEP: Readonly<Record<Role, number>> = { allocator: 20, dispatcher: 20, flusher: 0 }
const SLEEP_MS_MAX = 1_000

/** The task that Piscina runs; it lasts as long as the store is open. */
export default function runPart({ role, setup, port }: PartTask): void {
  const post = (message: FromPart): void => port.postMessage(message)
  try {
    const files = openRealFiles({ mapper: setup.mapper })
    const world: PartWorld = {
      files,
      clock: systemClock,
      prefault: files.mapper === 'plain' ? undefined : prefaultHere,
      dropPages: files.mapper === 'plain' ? undefined : dropPagesHere
    }
    const table = loops[role](world, setup, port, post)
    post({ type: 'stopped', table })
  } catch (error) {
    post({ type: 'failed', error: report(error) })
  } finally {
    port.close()
  }
}

type Loop = (
  world: PartWorld,
  setup: ThreadSetup,
  port: MessagePort,
  post: (message: FromPart) => void
) => QueueTableBytes | undefined

const loops: Readonly<Record<Role, Loop>> = {
  allocator(world, setup, _port, post) {
    const part = openAllocatorPart(world, setup)
    post({ type: 'started' })
    loop('allocator', part, new Progress(setup.progress), () => {})
    part.close()
    return undefined
  },

  flusher(world, setup, _port, post) {
    const part = openFlusherPart(world, setup, () => post({ type: 'flushed' }))
    post({ type: 'started' })
    try {
      loop('flusher', part, new Progress(setup.progress), () => {})
      part.finish()
    } catch (error) {
      if (error instanceof VarveError && error.code === 'STORE_SYNC_FAILED') part.distrust()
      throw error
    }
    part.close()
    return undefined
  },

  dispatcher(world, setup, port, post) {
    const progress = new Progress(setup.progress)
    const part = openDispatcherPart(world, setup, {
      newQueue: (topic, queueId) => {
        // The owner announces a queue before it appends to it, so the message is here by now.
        receive()
        return announced.get(`${queueId} ${topic}`) ?? unannounced(topic, queueId)
      },
      damaged: range => post({ type: 'damaged', range })
    })
    const announced = new Map<string, number>()

    function receive(): void {
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
        answer(next.message as ToPart)
    }

    function answer(message: ToPart): void {
      try {
        handle(message)
      } catch (error) {
        if (!isShortage(error) || !('id' in message)) throw error
        post({ type: 'refused', id: message.id, error: report(error) })
      }
    }

    function handle(message: ToPart): void {
      switch (message.type) {
        case 'announce':
          announced.set(`${message.queue.queueId} ${message.queue.topic}`, message.queue.index)
          return part.announce(message.queue)
        case 'forget':
          part.forget(message.topic, message.until)
          return post({ type: 'done', id: message.id })
        case 'logBeginsAt':
          part.logBeginsAt(message.physicalOffset, message.firstFiles)
          return post({ type: 'done', id: message.id })
        case 'queueTable': {
          const table = part.queueTable()
          return port.postMessage({ type: 'queueTable', id: message.id, table } satisfies FromPart, [
            table.table.buffer as ArrayBuffer
          ])
        }
        default:
          return unreachable(message)
      }
    }

    post({ type: 'started' })
    loop('dispatcher', part, progress, receive)
    part.finish(() => progress.pause('dispatcher', PAUSE_MS))
    const table = part.queueTable()
    part.close()
    return table
  }
}

function loop(role: Role, part: Part, progress: Progress, receive: () => void): void {
  let idle = 0
  while (progress.count(SLOT.stop) === 0) {
    receive()
    const waitMs = part.step()
    if (waitMs === 0) {
      idle = 0
    } else if (idle < PAUSES_BEFORE_SLEEP[role]) {
      idle++
      progress.pause(role, Math.min(waitMs, PAUSE_MS))
    } else {
      progress.sleep(role, Math.min(waitMs, SLEEP_MS_MAX), () => part.hasWork())
      if (part.hasWork()) idle = 0
    }
  }
}

function unannounced(topic: string, queueId: number): never {
  throw new VarveError('STORE_FILE_CHANGED', {
    topic,
    queueId,
    problem: 'a record of an unknown queue stands in the log'
  })
}
