import type { FlowDocument, Step } from './document.ts'
import { same } from './exact.ts'

// The difference between two documents, as values: it can be applied, turned
// round, shown and stored. Undo, redo and the comparison of versions are this.

export type Change =
  | { kind: 'flow' | 'trigger'; field: string; before: unknown; after: unknown }
  | { kind: 'step'; id: string; field: string; before: unknown; after: unknown }
  | { kind: 'added'; id: string; step: Step }
  | { kind: 'removed'; id: string; step: Step }
  | { kind: 'order'; before: string[]; after: string[] }

type Fields = Record<string, unknown>

function fields(a: Fields, b: Fields): { field: string; before: unknown; after: unknown }[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter(f => !same(a[f], b[f]))
    .map(field => ({ field, before: a[field], after: b[field] }))
}

/** What changes a document into another. Steps are the same by their ID. */
export function diff(a: FlowDocument, b: FlowDocument): Change[] {
  const out: Change[] = []
  const top = ({ trigger: _, steps: __, ...rest }: FlowDocument): Fields => rest
  for (const f of fields(top(a), top(b))) out.push({ kind: 'flow', ...f })
  for (const f of fields(a.trigger, b.trigger)) out.push({ kind: 'trigger', ...f })
  const before = new Map(a.steps.map(s => [s.id, s]))
  const after = new Map(b.steps.map(s => [s.id, s]))
  for (const [id, step] of before) if (!after.has(id)) out.push({ kind: 'removed', id, step })
  for (const [id, step] of after) {
    const was = before.get(id)
    if (!was) out.push({ kind: 'added', id, step })
    else for (const f of fields(was, step)) out.push({ kind: 'step', id, ...f })
  }
  const order = (d: FlowDocument) => d.steps.map(s => s.id)
  if (!same(order(a), order(b))) out.push({ kind: 'order', before: order(a), after: order(b) })
  return out
}

function put<T extends object>(o: T, field: string, value: unknown): T {
  if (value !== undefined) return { ...o, [field]: value }
  const { [field as keyof T]: _, ...rest } = o
  return rest as T
}

/** The document with changes made. apply(a, diff(a, b)) says what b says. */
export function apply(doc: FlowDocument, changes: Change[]): FlowDocument {
  let out = doc
  for (const c of changes) {
    switch (c.kind) {
      case 'flow':
        out = put(out, c.field, c.after)
        break
      case 'trigger':
        out = { ...out, trigger: put(out.trigger, c.field, c.after) }
        break
      case 'step':
        out = { ...out, steps: out.steps.map(s => (s.id === c.id ? put(s, c.field, c.after) : s)) }
        break
      case 'added':
        out = { ...out, steps: [...out.steps, c.step] }
        break
      case 'removed':
        out = { ...out, steps: out.steps.filter(s => s.id !== c.id) }
        break
      case 'order': {
        const at = (id: string) => c.after.indexOf(id)
        out = { ...out, steps: [...out.steps].sort((x, y) => at(x.id) - at(y.id)) }
      }
    }
  }
  return out
}

/** What takes changes back. */
export function invert(changes: Change[]): Change[] {
  return changes.map((c): Change => {
    switch (c.kind) {
      case 'added':
        return { ...c, kind: 'removed' }
      case 'removed':
        return { ...c, kind: 'added' }
      case 'order':
        return { ...c, before: c.after, after: c.before }
      default:
        return { ...c, before: c.after, after: c.before }
    }
  })
}
