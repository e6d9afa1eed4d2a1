/**
 * Servers that must not outlive the benchmark that started them: one left behind takes its share of the machine from
 * every figure after it. They are killed when this process ends, whether it returns, throws or is told to stop.
 */
const servers = new Set<number>()
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Returns what to call once the server has ended by itself. */
export function endsWithUs(pid: number): () => void {
  if (servers.size === 0) watch()
  servers.add(pid)
  return () => {
    servers.delete(pid)
    if (servers.size === 0) unwatch()
  }
}

function watch(): void {
  process.on('exit', killAll)
  for (const signal of SIGNALS) process.on(signal, killAllAndDie)
}

function unwatch(): void {
  process.off('exit', killAll)
  for (const signal of SIGNALS) process.off(signal, killAllAndDie)
}

function killAll(): void {
  for (const pid of servers) kill(pid)
}

function killAllAndDie(signal: NodeJS.Signals): void {
  killAll()
  unwatch()
  process.kill(process.pid, signal) // Nobody listens any more, so it does what it does by itself.
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // It had ended before: what was wanted.
  }
}
