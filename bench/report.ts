/**
 * What a benchmark found, as data and as text: every figure with the machine, the versions and the settings behind it.
 *
 * Ratios come from runs that alternated in one process or one session; absolute figures are only for reading.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, type Measurement, machineFacts, type Report } from '../src/load/index.ts'
import { projectRoot } from './project.ts'

/** `directory` is where the measured files lie: on a file system in memory a sync costs nothing and proves nothing. */
export function environment(directory: string): Environment {
  const root = projectRoot()
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return {
    machine: machineFacts(directory),
    versions: { varve: manifest.version, node: process.version, v8: process.versions.v8 },
    commit: commitOf(root),
    atIso: new Date().toISOString()
  }
}

export function printReport(report: Report): string {
  const lines = [`${report.benchmark}: ${report.question}`, ...table(report.medians)]
  for (const { of, a, b, median, min, max } of report.ratios) {
    lines.push(`  ${a} / ${b}, ${of}: ×${shown(median)}  (${report.rounds} rounds, ×${shown(min)} to ×${shown(max)})`)
  }
  for (const { claim, reached, holds } of report.verdicts) {
    lines.push(`  ${holds ? 'holds ' : 'MISSED'}  ${claim}: ${shown(reached)}`)
  }
  for (const { name, why } of report.leftOut) lines.push(`  without ${name}: ${why}`)
  for (const { name, settings } of report.medians) {
    if (Object.keys(settings).length > 0) lines.push(`  ${name} ran with ${listed(settings)}`)
  }
  return `${lines.join('\n')}\n`
}

export function printEnvironment({ machine, versions, commit, atIso }: Environment): string {
  return `on ${listed(machine)}; ${listed(versions)}; commit ${commit}, ${atIso}\n`
}

/** Columns that no side fills are left out. */
function table(medians: readonly Measurement[]): string[] {
  const figure = (value: number | undefined) => (value === undefined ? '' : shown(value))
  const rows = medians.map(m => ({
    side: m.name,
    'messages/s': Math.round(m.rate).toLocaleString('en'),
    'CPU us/message': shown(m.cpuUsPerMessage),
    'p50 us': figure(m.p50Us),
    'p99 us': figure(m.p99Us),
    'p99.9 us': figure(m.p999Us),
    'max us': figure(m.maxUs),
    also: listed(m.details)
  }))
  const columns = (Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[]) // Exactly the keys written above.
    .filter(column => rows.some(row => row[column] !== ''))
  const widths = columns.map(column => Math.max(column.length, ...rows.map(row => row[column].length)))
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd()
  return [line(columns), ...rows.map(row => line(columns.map(column => row[column])))]
}

function listed(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? shown(value) : value}`)
    .join(', ')
}

/** Three significant digits, or all of a larger number. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

function commitOf(root: string): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+changes'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch (cause) {
    // An unpacked archive has no history; the report says so instead of naming a wrong commit.
    return `unknown (${cause instanceof Error ? cause.message.split('\n')[0] : 'no git'})`
  }
}
