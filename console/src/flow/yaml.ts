import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, stringify } from 'yaml'
import type { FlowDocument } from './document.ts'
import { Exact, type Json, numberOf } from './exact.ts'

// The document as people write it. Numbers keep their digits both ways.

/** Where text is no flow document, and why. Line and column count from 1. */
export class YamlError extends Error {
  readonly line: number
  readonly column: number
  constructor(message: string, line: number, column: number) {
    super(message)
    this.line = line
    this.column = column
  }
}

/**
 * The library prints numbers through a double, so exact ones go in as words
 * that no document holds, and their digits take the place of the words.
 */
export function exactMarks() {
  const mark = `exact${Math.random().toString(36).slice(2)}x`
  const digits: string[] = []
  const marked = (v: unknown): unknown => {
    if (v instanceof Exact) return `${mark}${digits.push(v.source) - 1}x`
    if (Array.isArray(v)) return v.map(marked)
    if (v === null || typeof v !== 'object') return v
    return new Map(
      Object.entries(v)
        .filter(([, x]) => x !== undefined)
        .map(([k, x]) => [k, marked(x)]),
    )
  }
  return { mark, digits, marked }
}

export function toYAML(doc: unknown): string {
  const { mark, digits, marked } = exactMarks()
  const text = stringify(marked(doc), { lineWidth: 0, aliasDuplicateObjects: false, version: '1.2' })
  return digits.length === 0 ? text : text.replace(new RegExp(`${mark}(\\d+)x`, 'g'), (_, n) => digits[Number(n)]!)
}

/** Reads a flow document. Throws a YamlError for what is none. */
export function fromYAML(text: string): FlowDocument {
  const lines = new LineCounter()
  const parsed = parseDocument(text, { lineCounter: lines, version: '1.2', intAsBigInt: false, uniqueKeys: true })
  const wrong = (message: string, at = 0): never => {
    const { line, col } = lines.linePos(at)
    throw new YamlError(message, line, col)
  }
  const error = parsed.errors[0]
  if (error) wrong(error.message.split(' at line')[0]!, error.pos[0])

  let aliases = 0
  const value = (node: unknown): Json => {
    if (isMap(node)) {
      const out: { [key: string]: Json } = {}
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(isScalar(pair.key) ? (pair.key.source ?? pair.key.value) : '') : wrong('a key is a text')
        const v = value(pair.value)
        if (key === '__proto__') Object.defineProperty(out, key, { value: v, enumerable: true, configurable: true, writable: true })
        else out[key] = v
      }
      return out
    }
    if (isSeq(node)) return node.items.map(value)
    if (node === null || node === undefined) return null
    if (isScalar(node)) {
      const v = node.value
      if (typeof v === 'number')
        return node.source && /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(node.source) ? numberOf(node.source) : v
      return v as Json
    }
    if (isAlias(node)) {
      if (++aliases > 100) wrong('there are more than 100 aliases')
      return value(node.resolve(parsed))
    }
    return wrong('this cannot stand in a flow document')
  }
  const doc = value(parsed.contents)

  if (doc === null || typeof doc !== 'object' || Array.isArray(doc) || doc instanceof Exact)
    return wrong('this is no flow: it has the fields kind, trigger and steps')
  const flow = doc as Record<string, Json>
  if (flow.kind !== 'Flow') return wrong('the first line says kind: Flow')
  const trigger = flow.trigger
  if (
    trigger === null ||
    typeof trigger !== 'object' ||
    Array.isArray(trigger) ||
    typeof (trigger as Record<string, Json>).uses !== 'string'
  )
    return wrong('the trigger is missing: trigger: {uses: webhook/receive}')
  if (!Array.isArray(flow.steps)) return wrong('the list of steps is missing: steps: []')
  const seen = new Set<string>()
  for (const s of flow.steps) {
    const step = s as Record<string, Json> | null
    if (step === null || typeof step !== 'object' || Array.isArray(step) || typeof step.id !== 'string' || typeof step.uses !== 'string')
      return wrong('every step has an id and a component: {id: create, uses: petstore/create-pet}')
    if (seen.has(step.id)) return wrong(`two steps have the id ${step.id}`)
    seen.add(step.id)
  }
  return flow as unknown as FlowDocument
}
