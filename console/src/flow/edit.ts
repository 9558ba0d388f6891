import type { FlowDocument, Step, Trigger } from './document.ts'
import { Exact, type Json, same } from './exact.ts'
import { children, parents, TRIGGER, withParents } from './graph.ts'

// An edit is a pure function from document to document. What the history keeps
// of it is the difference it made (diff.ts).

export type Edit = (doc: FlowDocument) => FlowDocument

/** A document to begin with. */
export const emptyFlow = (name: string, uses: string): FlowDocument => ({ kind: 'Flow', name, trigger: { uses }, steps: [] })

const without = <T extends object>(o: T, field: string): T => {
  const { [field as keyof T]: _, ...rest } = o
  return rest as T
}

/** A field set, or taken away when it says nothing. */
function put<T extends object>(o: T, field: string, value: unknown): T {
  if (value === undefined || value === '') return field in o ? without(o, field) : o
  return same((o as Record<string, unknown>)[field], value) ? o : { ...o, [field]: value }
}

export const setFlow =
  (field: string, value: Json | undefined): Edit =>
  doc =>
    put(doc, field, value)

export const setTrigger =
  (field: keyof Trigger & string, value: Json | undefined): Edit =>
  doc => ({ ...doc, trigger: put(doc.trigger, field, value) })

export const setStep =
  (id: string, field: keyof Step & string, value: Json | undefined): Edit =>
  doc => ({ ...doc, steps: doc.steps.map(s => (s.id === id ? put(s, field, value) : s)) })

/** Sets a field of a step or, for TRIGGER, of the trigger. */
export const setAt = (at: string, field: string, value: Json | undefined): Edit =>
  at === TRIGGER ? setTrigger(field, value) : setStep(at, field, value)

/** The whole flow, among the places that setWithin knows. */
export const FLOW = '/flow'

/** A setting of a step, the trigger or the flow by its path, such as retry/attempts; undefined takes it away, and what is then empty too. */
export const setWithin =
  (at: string, path: string, value: Json | undefined): Edit =>
  doc => {
    const [first, ...rest] = path.split('/') as [string, ...string[]]
    const owner = at === FLOW ? doc : at === TRIGGER ? doc.trigger : doc.steps.find(s => s.id === at)
    const now = (owner as { [key: string]: Json | undefined } | undefined)?.[first]
    const next = within(now, rest, value)
    return at === FLOW ? setFlow(first, next)(doc) : setAt(at, first, next)(doc)
  }

function within(now: Json | undefined, path: string[], value: Json | undefined): Json | undefined {
  const [first, ...rest] = path
  if (first === undefined) return value
  const { [first]: before, ...others } = isMap(now) ? now : {}
  const inner = within(before, rest, value === '' ? undefined : value)
  const out = inner === undefined ? others : isMap(now) ? { ...now, [first]: inner } : { [first]: inner }
  return Object.keys(out).length === 0 ? undefined : out
}

const isMap = (v: Json | undefined): v is { [key: string]: Json } =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)

/** One field of a step's input; undefined takes it away. */
export const setInput =
  (id: string, field: string, value: Json | undefined): Edit =>
  doc => {
    const step = doc.steps.find(s => s.id === id)
    const input = typeof step?.input === 'object' ? { ...step.input } : {}
    if (value === undefined) delete input[field]
    else input[field] = value
    return setStep(id, 'input', Object.keys(input).length === 0 ? undefined : input)(doc)
  }

/** An ID for a step, after its component's name, that the flow does not have yet. */
export function freshID(doc: FlowDocument, wish: string): string {
  const base = wish.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z_]+/, '') || 'step'
  const taken = new Set(doc.steps.map(s => s.id))
  let id = base
  for (let n = 2; taken.has(id); n++) id = `${base}-${n}`
  return id
}

/** Where a new step goes: between a step and all behind it, between two, or as a branch of its own. */
export interface Place {
  after: string
  /** Only what stood between these two moves behind the new step. */
  before?: string
  branch?: boolean
}

export const addStep =
  (step: Step, place: Place): Edit =>
  doc => {
    const wanted = new Map(parents(doc))
    const up = place.after === TRIGGER ? [] : [place.after]
    const behind = place.branch ? [] : place.before ? [place.before] : children(doc, place.after)
    wanted.set(step.id, up)
    for (const b of behind) {
      const now = wanted.get(b) ?? []
      wanted.set(b, place.after === TRIGGER ? [step.id] : now.map(p => (p === place.after ? step.id : p)))
    }
    const at = place.branch ? doc.steps.length : place.after === TRIGGER ? 0 : doc.steps.findIndex(s => s.id === place.after) + 1
    const steps = [...doc.steps.slice(0, at), step, ...doc.steps.slice(at)]
    return withParents({ ...doc, steps }, wanted)
  }

/** Takes a step away; what stood behind it runs after what stood before it. */
export const removeStep =
  (id: string): Edit =>
  doc => {
    const wanted = new Map(parents(doc))
    const up = wanted.get(id) ?? []
    wanted.delete(id)
    for (const [s, p] of wanted) {
      if (p.includes(id)) wanted.set(s, [...new Set(p.flatMap(x => (x === id ? up : [x])))])
    }
    return withParents({ ...doc, steps: doc.steps.filter(s => s.id !== id) }, wanted)
  }

/** A new step that runs after several: their branches meet in it. */
export const addJoin =
  (step: Step, after: string[]): Edit =>
  doc => {
    const wanted = new Map(parents(doc))
    wanted.set(step.id, after)
    return withParents({ ...doc, steps: [...doc.steps, step] }, wanted)
  }

/** Two branches behind a step: what stood there goes on in the first, the second runs where the first did not. */
export const addRouter =
  (first: Step, otherwise: Step, place: Place): Edit =>
  doc => {
    const made = addStep(first, place)(doc)
    const wanted = new Map(parents(made))
    wanted.set(otherwise.id, place.after === TRIGGER ? [] : [place.after])
    return withParents({ ...made, steps: [...made.steps, otherwise] }, wanted)
  }

/** Takes the line between two steps away; one that then runs after none begins with the flow. */
export const removeEdge =
  (from: string, to: string): Edit =>
  doc => {
    const before = parents(doc).get(to) ?? []
    return before.includes(from)
      ? setAfter(
          to,
          before.filter(p => p !== from),
        )(doc)
      : doc
  }

/** A second step like this one, as a branch beside it. */
export const duplicateStep =
  (id: string, copy: string): Edit =>
  doc => {
    const at = doc.steps.findIndex(s => s.id === id)
    const step = doc.steps[at]
    if (!step) return doc
    const wanted = new Map(parents(doc))
    wanted.set(copy, wanted.get(id) ?? [])
    const made: Step = { ...step, id: copy, ...(step.name ? { name: `${step.name} (copy)` } : {}) }
    return withParents({ ...doc, steps: [...doc.steps.slice(0, at + 1), made, ...doc.steps.slice(at + 1)] }, wanted)
  }

/** What a step runs after: several are a join, none is the flow's beginning. */
export const setAfter =
  (id: string, after: string[]): Edit =>
  doc => {
    const wanted = new Map(parents(doc))
    wanted.set(id, after)
    return withParents(doc, wanted)
  }
