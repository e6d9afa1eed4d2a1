/** Loaded before a program (`--import`), in each of its threads: writes down how long they have collected garbage so far. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { threadId } from 'node:worker_threads'
import { GC_DIRECTORY } from './gc-time.ts'

const WRITE_EVERY_MS = 200
const directory = process.env[GC_DIRECTORY]

if (directory !== undefined) {
  mkdirSync(directory, { recursive: true })
  let us = 0
  let writtenUs = -1
  new PerformanceObserver(list => {
    for (const { duration } of list.getEntries()) us += duration * 1000
  }).observe({ entryTypes: ['gc'] })
  const write = () => {
    if (us === writtenUs) return
    writtenUs = us
    writeFileSync(join(directory, String(threadId)), String(Math.round(us)))
  }
  setInterval(write, WRITE_EVERY_MS).unref()
}
