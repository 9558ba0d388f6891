// JSON that keeps every digit. JSON.parse makes 12345678901234567890 another
// number; here a number that a double does not hold as it was written stays as
// its text.

/** A number by its digits. */
export class Exact {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
  toString() {
    return this.source
  }
  /** For whoever takes it to JSON.stringify in spite of printJSON: near enough, not exact. */
  toJSON() {
    return Number(this.source)
  }
}

export type Json = null | boolean | number | string | Exact | Json[] | { [key: string]: Json }

/** The value of a number's text: a double where that says the same. */
export function numberOf(source: string): number | Exact {
  const n = Number(source)
  return Number.isFinite(n) && String(n) === source ? n : new Exact(source)
}

export class JsonError extends Error {
  /** Where it is wrong, from 1. */
  readonly line: number
  readonly column: number
  constructor(message: string, text: string, at: number) {
    const before = text.slice(0, at).split('\n')
    super(message)
    this.line = before.length
    this.column = before[before.length - 1]!.length + 1
  }
}

const space = /[ \t\r\n]*/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const plain = /[^"\\\u0000-\u001f]*/y
const deepest = 1000

/** Reads JSON (RFC 8259). Throws a JsonError that says where and what. */
export function parseJSON(text: string): Json {
  let at = 0
  const skip = () => {
    space.lastIndex = at
    space.test(text)
    at = space.lastIndex
  }
  const wrong = (what: string): never => {
    throw new JsonError(what, text, at)
  }
  const found = () => (at >= text.length ? 'the end' : JSON.stringify(text[at]))

  function string(): string {
    const begin = at++
    for (;;) {
      plain.lastIndex = at
      plain.test(text)
      at = plain.lastIndex
      if (text[at] === '"') break
      if (text[at] === '\\') at += 2
      else if (at >= text.length) {
        at = begin
        wrong('this text has no closing "')
      } else wrong('a text cannot hold a line break or control character: write \\n')
    }
    at++
    try {
      return JSON.parse(text.slice(begin, at))
    } catch {
      at = begin
      return wrong('this text has a \\ that means nothing')
    }
  }

  function value(depth: number): Json {
    if (depth > deepest) wrong('this is nested too deeply')
    skip()
    const c = text[at]
    if (c === '{') {
      at++
      const out: { [key: string]: Json } = {}
      skip()
      if (text[at] === '}') {
        at++
        return out
      }
      for (;;) {
        skip()
        if (text[at] !== '"') wrong(`a key in double quotes should stand here, not ${found()}`)
        const key = string()
        skip()
        if (text[at] !== ':') wrong(`a : should stand after the key ${JSON.stringify(key)}, not ${found()}`)
        at++
        const v = value(depth + 1)
        if (key === '__proto__') Object.defineProperty(out, key, { value: v, enumerable: true, configurable: true, writable: true })
        else out[key] = v
        skip()
        if (text[at] === ',') {
          at++
          skip()
          if (text[at] === '}') wrong('there is a , too many before this }')
          continue
        }
        if (text[at] === '}') {
          at++
          return out
        }
        wrong(`a , or } should stand here, not ${found()}`)
      }
    }
    if (c === '[') {
      at++
      const out: Json[] = []
      skip()
      if (text[at] === ']') {
        at++
        return out
      }
      for (;;) {
        out.push(value(depth + 1))
        skip()
        if (text[at] === ',') {
          at++
          continue
        }
        if (text[at] === ']') {
          at++
          return out
        }
        wrong(`a , or ] should stand here, not ${found()}`)
      }
    }
    if (c === '"') return string()
    for (const [word, is] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length
        return is
      }
    }
    number.lastIndex = at
    const n = number.exec(text)
    if (n?.[0]) {
      at += n[0].length
      return numberOf(n[0])
    }
    return wrong(`a value should stand here, not ${found()}`)
  }

  const out = value(0)
  skip()
  if (at < text.length) wrong(`the JSON has ended, and ${found()} follows`)
  return out
}

/** Writes JSON; with an indent, over several lines. */
export function printJSON(v: unknown, indent = 0, level = 0): string {
  if (v instanceof Exact) return v.source
  const inner = indent ? `\n${' '.repeat(indent * (level + 1))}` : ''
  const outer = indent ? `\n${' '.repeat(indent * level)}` : ''
  if (Array.isArray(v)) {
    return v.length === 0
      ? '[]'
      : `[${inner}${v.map(x => printJSON(x === undefined ? null : x, indent, level + 1)).join(`,${inner}`)}${outer}]`
  }
  if (v !== null && typeof v === 'object') {
    const parts = Object.entries(v)
      .filter(([, x]) => x !== undefined)
      .map(([k, x]) => `${JSON.stringify(k)}:${indent ? ' ' : ''}${printJSON(x, indent, level + 1)}`)
    return parts.length === 0 ? '{}' : `{${inner}${parts.join(`,${inner}`)}${outer}}`
  }
  return JSON.stringify(v) ?? 'null'
}

/** Whether two values are the same, by content. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof Exact || b instanceof Exact) return a instanceof Exact && b instanceof Exact && a.source === b.source
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((x, i) => same(x, b[i]))
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object' || Array.isArray(b)) return false
  const x = Object.entries(a).filter(([, v]) => v !== undefined)
  const y = b as Record<string, unknown>
  return x.length === Object.values(y).filter(v => v !== undefined).length && x.every(([k, v]) => Object.hasOwn(y, k) && same(v, y[k]))
}
