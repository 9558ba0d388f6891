import type { FlowDocument, Step } from './document.ts'
import { Exact, type Json } from './exact.ts'
import { upstream } from './graph.ts'
import { short, within } from './paths.ts'
import { typeOf } from './schema.ts'

// What an expression sees (design: body, query, headers, method, path, files,
// steps.ID, item and index, execution, callbacks.STEP), as far as samples say.

export type Scope = { [name: string]: Json }

/** An output that a component once gave, where there is one. */
export type SampleOf = (step: Step) => Json | undefined

export function scopeOf(doc: FlowDocument, at: string, sampleOf: SampleOf): Scope {
  const step = doc.steps.find(s => s.id === at)
  const before = upstream(doc, at).flatMap(id => doc.steps.filter(s => s.id === id))
  const steps: Scope = {}
  for (const s of before.reverse()) steps[s.id] = sampleOf(s) ?? {}
  const scope: Scope = {
    body: doc.trigger.sample ?? {},
    query: {},
    headers: { 'content-type': 'application/json' },
    method: 'POST',
    path: `/hook/${doc.id ?? ''}`,
    files: [],
    steps,
    execution: { id: '019cc5d0-7a00-7000-8000-000000000000', flow: doc.id ?? '', version: 1, startedAt: '2026-01-01T00:00:00Z' },
  }
  const waits = doc.steps.filter(s => s.uses === 'webhook/wait')
  if (waits.length > 0) scope.callbacks = Object.fromEntries(waits.map(s => [s.id, 'https://sluice.example.com/callback/…']))
  if (step?.each) {
    const list = valueAt(scope, step.each.replace(/^=/, '').trim())
    scope.item = (Array.isArray(list) ? list[0] : list) ?? {}
    scope.index = 0
  }
  return scope
}

const isObject = (v: Json | undefined): v is { [key: string]: Json } =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)

/** The names of a path such as steps.`a-b`.items[0].price; null when it is more than a path. */
export function pathParts(path: string): string[] | null {
  const parts: string[] = []
  let rest = path
  for (;;) {
    const m = /^(?:`([^`]*)`|([A-Za-z_][A-Za-z0-9_]*))((?:\[[^\][]*\])*)/.exec(rest)
    if (!m) return null
    parts.push(m[1] ?? m[2]!)
    rest = rest.slice(m[0].length)
    if (rest === '') return parts
    if (rest[0] !== '.') return null
    rest = rest.slice(1)
  }
}

/** The value at a plain path, of the first element where a list is on the way. */
export function valueAt(scope: Scope, path: string): Json | undefined {
  const parts = pathParts(path)
  if (!parts) return undefined
  let v: Json | undefined = scope
  for (const [i, p] of parts.entries()) {
    while (i > 0 && Array.isArray(v)) v = v[0]
    if (!isObject(v) || !Object.hasOwn(v, p)) return undefined
    v = v[p]
  }
  return v
}

export interface Offer {
  /** What is shown. */
  name: string
  /** What is written: in backticks where the name needs them. */
  write: string
  type: string
  /** The sample's value, short. */
  shown: string
}

/** What may follow a path that ends with a dot; the whole scope for an empty one. */
export function offers(scope: Scope, path: string): Offer[] {
  let v: Json | undefined = path === '' ? scope : valueAt(scope, path)
  while (Array.isArray(v)) v = v[0]
  if (!isObject(v)) return []
  return Object.entries(v).map(([name, x]) => ({ name, write: within('', name).slice(1), type: typeOf(x), shown: short(x, 40) }))
}
