/**
 * A table by name whose file is cheap to print: the text of each item is kept until the item changes, and the names stay
 * sorted. Saving after one change among ten thousand then costs a join, not ten thousand conversions.
 */
import { printJavaJson } from '../layout/index.ts'

interface Entry<Item> {
  item: Item
  text: string | undefined
}

export class NamedTable<Item> {
  readonly #entries = new Map<string, Entry<Item>>()
  readonly #toJson: (item: Item) => unknown
  #names: string[] = []

  constructor(toJson: (item: Item) => unknown) {
    this.#toJson = toJson
  }

  get size(): number {
    return this.#entries.size
  }

  find(name: string): Item | undefined {
    return this.#entries.get(name)?.item
  }

  set(name: string, item: Item): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) {
      this.#entries.set(name, { item, text: undefined })
      this.#names.splice(this.#placeOf(name), 0, name)
    } else {
      entry.item = item
      entry.text = undefined
    }
  }

  delete(name: string): boolean {
    if (!this.#entries.delete(name)) return false
    this.#names.splice(this.#placeOf(name), 1)
    return true
  }

  /** Sorted as the file is. */
  names(): readonly string[] {
    return this.#names
  }

  /** In the order of their names. Whoever pauses between two of them gets none that has been deleted meanwhile. */
  *items(from = 0, until = this.#names.length): Iterable<Item> {
    for (const name of this.#names.slice(from, until)) {
      const entry = this.#entries.get(name)
      if (entry !== undefined) yield entry.item
    }
  }

  /** As `printJavaJson` prints an object of all items, `depth` brackets deep. */
  print(depth: number): string {
    if (this.#names.length === 0) return '{}'
    const indent = '\t'.repeat(depth + 1)
    const members = this.#names.map(name => {
      const entry = this.#entries.get(name)!
      entry.text ??= `${JSON.stringify(name)}:${printJavaJson(this.#toJson(entry.item)).replaceAll('\n', `\n${indent}`)}`
      return entry.text
    })
    return `{\n${indent}${members.join(`,\n${indent}`)}\n${indent.slice(1)}}`
  }

  /** Where the name stands, or would stand. */
  #placeOf(name: string): number {
    let from = 0
    let until = this.#names.length
    while (from < until) {
      const middle = (from + until) >> 1
      if (this.#names[middle]! < name) from = middle + 1
      else until = middle
    }
    return from
  }
}
