import type { FlowDocument, Step } from './document.ts'

// Who runs after whom. `after` is absent where a step runs after the one above.

/** The trigger's place in the graph: no step can have this ID. */
export const TRIGGER = '/trigger'

/** The steps that each step runs after; none: it begins with the flow. */
export function parents(doc: FlowDocument): Map<string, string[]> {
  const out = new Map<string, string[]>()
  doc.steps.forEach((s, i) => {
    const above = i === 0 ? [] : [doc.steps[i - 1]!.id]
    out.set(s.id, s.after ?? above)
  })
  return out
}

/** The steps that run after a step, or after the trigger. */
export function children(doc: FlowDocument, id: string): string[] {
  return [...parents(doc)].filter(([, p]) => (id === TRIGGER ? p.length === 0 : p.includes(id))).map(([s]) => s)
}

/** Every step before a step, the nearest first. */
export function upstream(doc: FlowDocument, id: string): string[] {
  const all = parents(doc)
  const seen: string[] = []
  const todo = [...(all.get(id) ?? [])]
  for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
    if (seen.includes(next) || next === id) continue
    seen.push(next)
    todo.push(...(all.get(next) ?? []))
  }
  return seen
}

/** The steps that a step may be told to run after without making a ring. */
export function mayFollow(doc: FlowDocument, id: string): string[] {
  return doc.steps.map(s => s.id).filter(other => other !== id && !upstream(doc, other).includes(id))
}

/** The steps that no other runs after: where the flow's branches end. */
export function leaves(doc: FlowDocument): string[] {
  const followed = new Set([...parents(doc).values()].flat())
  return doc.steps.map(s => s.id).filter(id => !followed.has(id))
}

/** Steps with the same parents: where some have a condition, they are a router's branches. */
export function siblings(doc: FlowDocument, id: string): string[] {
  const all = parents(doc)
  const key = (s: string) => [...(all.get(s) ?? [])].sort().join('\n')
  return doc.steps.map(s => s.id).filter(s => s !== id && key(s) === key(id))
}

/**
 * The document with every step after the steps that `wanted` says. `after` is
 * written only where the step above would be wrong, and a right one is left as
 * it was written.
 */
export function withParents(doc: FlowDocument, wanted: Map<string, string[]>): FlowDocument {
  const set = (a: string[]) => [...a].sort().join('\n')
  const steps = doc.steps.map((s, i) => {
    const want = wanted.get(s.id) ?? []
    const above = i === 0 ? [] : [doc.steps[i - 1]!.id]
    if (set(s.after ?? above) === set(want)) return s
    if (set(above) === set(want)) {
      const { after: _, ...rest } = s
      return rest as Step
    }
    return { ...s, after: want }
  })
  return { ...doc, steps }
}
