/** Plots as SVG, by hand: axes, lines and bars, in colours of the page. Nothing is loaded, nothing runs. */

export interface Line {
  readonly name: string
  readonly colour: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** One of several runs of the same side, drawn behind the others. */
  readonly isFaint?: boolean
}

export interface Axis {
  readonly title: string
  /** Position from 0 to 1 of a value within the axis. */
  readonly at: (value: number) => number
  readonly ticks: readonly { readonly value: number; readonly text: string }[]
}

const SIZE = { width: 460, height: 250, left: 62, right: 14, top: 12, bottom: 40 } as const
const PLOT_WIDTH = SIZE.width - SIZE.left - SIZE.right
const PLOT_HEIGHT = SIZE.height - SIZE.top - SIZE.bottom

export function linePlot({ title, x, y, lines }: { title: string; x: Axis; y: Axis; lines: readonly Line[] }): string {
  const px = (value: number) => (SIZE.left + x.at(value) * PLOT_WIDTH).toFixed(1)
  const py = (value: number) => (SIZE.top + (1 - y.at(value)) * PLOT_HEIGHT).toFixed(1)
  const grid = [
    ...y.ticks.map(
      ({ value, text }) =>
        `<line class="grid" x1="${SIZE.left}" x2="${SIZE.width - SIZE.right}" y1="${py(value)}" y2="${py(value)}"/>` +
        `<text x="${SIZE.left - 6}" y="${py(value)}" dy="3.5" text-anchor="end">${escaped(text)}</text>`
    ),
    ...x.ticks.map(
      ({ value, text }) =>
        `<line class="grid" x1="${px(value)}" x2="${px(value)}" y1="${SIZE.top}" y2="${SIZE.height - SIZE.bottom}"/>` +
        `<text x="${px(value)}" y="${SIZE.height - SIZE.bottom + 14}" text-anchor="middle">${escaped(text)}</text>`
    )
  ]
  const drawn = [...lines]
    .sort((a, b) => Number(b.isFaint ?? false) - Number(a.isFaint ?? false))
    .map(line => {
      const path = line.points.map(([vx, vy], at) => `${at === 0 ? 'M' : 'L'}${px(vx)} ${py(vy)}`).join('')
      const dots =
        line.points.length > 14 || line.isFaint
          ? ''
          : line.points
              .map(([vx, vy]) => `<circle cx="${px(vx)}" cy="${py(vy)}" r="2.4" fill="${line.colour}"/>`)
              .join('')
      return `<path d="${path}" fill="none" stroke="${line.colour}" stroke-width="${line.isFaint ? 1 : 2}"${line.isFaint ? ' opacity="0.35"' : ''}/>${dots}`
    })
  return (
    `<figure><figcaption>${escaped(title)}</figcaption>${legend(lines)}` +
    `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${escaped(title)}">` +
    `${grid.join('')}${drawn.join('')}` +
    `<text class="axis" x="${SIZE.left + PLOT_WIDTH / 2}" y="${SIZE.height - 6}" text-anchor="middle">${escaped(x.title)}</text>` +
    `<text class="axis" transform="translate(12 ${SIZE.top + PLOT_HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escaped(y.title)}</text>` +
    '</svg></figure>'
  )
}

function legend(lines: readonly Line[]): string {
  const named = lines.filter(({ isFaint }) => isFaint !== true)
  const entries = named.map(({ name, colour }) => `<span><i style="background:${colour}"></i>${escaped(name)}</span>`)
  return `<div class="legend">${entries.join('')}</div>`
}

export interface RatioBar {
  readonly name: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly colour: string
}

/** Ratios on a log axis, with their spread: what lies to the right of ×1 is more than the other side. */
export function ratioPlot(bars: readonly RatioBar[]): string {
  const left = 250
  const width = 900
  const rowHeight = 22
  const height = bars.length * rowHeight + 30
  const values = bars.flatMap(({ min, max }) => [min, max]).filter(value => value > 0 && Number.isFinite(value))
  const low = Math.min(0.5, ...values) / 1.1
  const high = Math.max(2, ...values) * 1.1
  const at = (value: number) =>
    left +
    ((Math.log(Math.min(high, Math.max(low, value))) - Math.log(low)) / (Math.log(high) - Math.log(low))) *
      (width - left - 60)
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].filter(value => value >= low && value <= high)
  const grid = ticks.map(
    value =>
      `<line class="${value === 1 ? 'one' : 'grid'}" x1="${at(value).toFixed(1)}" x2="${at(value).toFixed(1)}" y1="4" y2="${height - 22}"/>` +
      `<text x="${at(value).toFixed(1)}" y="${height - 8}" text-anchor="middle">×${value}</text>`
  )
  const rows = bars.map(({ name, median, min, max, colour }, index) => {
    const y = index * rowHeight + 16
    const from = Math.min(at(1), at(median))
    return (
      `<text x="${left - 8}" y="${y + 3.5}" text-anchor="end">${escaped(name)}</text>` +
      `<rect x="${from.toFixed(1)}" y="${y - 6}" width="${Math.max(1, Math.abs(at(median) - at(1))).toFixed(1)}" height="12" rx="2" fill="${colour}"/>` +
      `<line class="spread" x1="${at(min).toFixed(1)}" x2="${at(max).toFixed(1)}" y1="${y}" y2="${y}"/>` +
      `<text class="value" x="${(Math.max(at(median), at(max), at(1)) + 6).toFixed(1)}" y="${y + 3.5}">×${significant(median)}</text>`
    )
  })
  return `<svg class="wide" viewBox="0 0 ${width} ${height}" role="img" aria-label="ratios">${grid.join('')}${rows.join('')}</svg>`
}

export function linearAxis(title: string, values: readonly number[]): Axis {
  const max = Math.max(...values, 1e-9)
  const step = niceStep(max / 4)
  const top = Math.ceil(max / step - 1e-9) * step
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  return { title, at: value => value / top, ticks: ticks.map(value => ({ value, text: shortNumber(value) })) }
}

export function logAxis(title: string, values: readonly number[], text: (value: number) => string): Axis {
  const positive = values.filter(value => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))))
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return {
    title,
    at: value => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low),
    ticks: ticks.map(value => ({ value, text: text(value) }))
  }
}

/** Each nine more takes as much room as the one before; the longest of all stands at the end. */
export function percentAxis(title: string, percents: readonly number[]): Axis {
  const nines = (percent: number) => -Math.log10(1 - percent / 100)
  const last = Math.max(...percents.filter(percent => percent < 100), 90)
  const end = nines(last) + 0.6
  const shown = [50, 90, 99, 99.9, 99.99, 99.999].filter(percent => percent <= last)
  return {
    title,
    at: percent => (percent === 100 ? end : nines(percent)) / end,
    ticks: [...shown.map(value => ({ value, text: `${value}` })), { value: 100, text: 'max' }]
  }
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find(candidate => candidate * power >= rough) ?? 10
  return factor * power
}

export function shortNumber(value: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k']
  ] as const)
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`
  return String(Number(value.toPrecision(3)))
}

export function timeText(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toPrecision(3))} s`
  if (us >= 1e3) return `${Number((us / 1e3).toPrecision(3))} ms`
  return `${Number(us.toPrecision(3))} us`
}

export const significant = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export const escaped = (text: string): string => text.replace(/[&<>"]/g, character => ENTITIES[character] ?? character)
