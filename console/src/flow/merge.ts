import type { FlowDocument, Step } from './document.ts'
import { Exact, same } from './exact.ts'
import { parents, withParents } from './graph.ts'

// Two documents that were one, made one again. What only one side changed is
// taken; where both changed the same thing, somebody has to choose.

export interface Clash {
  /** Names the place among the clashes: a step's ID or '', and the path within. */
  key: string
  /** The step it is in; '' for the flow, or its trigger. */
  step: string
  /** Such as name or input.petname; '' for a whole step that one side took away. */
  path: string
  base: unknown
  mine: unknown
  theirs: unknown
}

export type Choices = { [key: string]: 'mine' | 'theirs' }

export interface Merged {
  doc: FlowDocument
  clashes: Clash[]
}

type Fields = { [name: string]: unknown }
const isFields = (v: unknown): v is Fields => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)

/** Merges; a clash that no choice decides is decided for mine. */
export function merge(base: FlowDocument, mine: FlowDocument, theirs: FlowDocument, choices: Choices = {}): Merged {
  const clashes: Clash[] = []
  const choose = (step: string, path: string, b: unknown, m: unknown, t: unknown) => {
    const key = `${step} ${path}`
    clashes.push({ key, step, path, base: b, mine: m, theirs: t })
    return choices[key] === 'theirs' ? t : m
  }
  const value = (step: string, path: string, b: unknown, m: unknown, t: unknown): unknown => {
    if (same(m, b) || same(m, t)) return t
    if (same(t, b)) return m
    if (isFields(m) && isFields(t) && (isFields(b) || b === undefined)) return fields(step, path, b ?? {}, m, t)
    return choose(step, path, b, m, t)
  }
  const fields = (step: string, path: string, b: Fields, m: Fields, t: Fields): Fields => {
    const out: Fields = {}
    for (const name of new Set([...Object.keys(m), ...Object.keys(t)])) {
      const v = value(step, path ? `${path}.${name}` : name, b[name], m[name], t[name])
      if (v !== undefined) out[name] = v
    }
    return out
  }
  const top = ({ steps: _, ...rest }: FlowDocument): Fields => rest
  const rest = fields('', '', top(base), top(mine), top(theirs))

  const [was, one, other] = [base, mine, theirs].map(d => new Map(d.steps.map(s => [s.id, s]))) as [
    Map<string, Step>,
    Map<string, Step>,
    Map<string, Step>,
  ]
  const merged = new Map<string, Step>()
  for (const id of new Set([...one.keys(), ...other.keys()])) {
    const [b, m, t] = [was.get(id), one.get(id), other.get(id)]
    // Who runs after whom is merged as a graph, below.
    const plain = (s: Step | undefined) => s && without(s, 'after')
    let s: unknown
    if (m && t) s = { ...(m.after ? { after: m.after } : {}), ...fields(id, '', plain(b) ?? {}, plain(m)!, plain(t)!) }
    else if (!b) s = m ?? t
    else if (same(plain(m ?? t), plain(b))) s = undefined
    else s = choose(id, '', b, m, t)
    if (s) merged.set(id, s as Step)
  }
  const order = (d: FlowDocument) => d.steps.map(s => s.id)
  const moved = !same(
    order(theirs).filter(id => was.has(id)),
    order(base).filter(id => other.has(id)),
  )
  const [skeleton, added] = moved ? [order(theirs), order(mine)] : [order(mine), order(theirs)]
  const ids = [...skeleton]
  added.forEach((id, i) => {
    if (!ids.includes(id)) ids.splice(i === 0 ? 0 : ids.indexOf(added[i - 1]!) + 1, 0, id)
  })
  const doc = { ...rest, steps: ids.flatMap(id => merged.get(id) ?? []) } as unknown as FlowDocument
  return { doc: withParents(doc, wanted(base, mine, theirs, new Set(merged.keys()))), clashes }
}

/** What each step runs after: as the side says that changed it, and after both where both did. */
function wanted(base: FlowDocument, mine: FlowDocument, theirs: FlowDocument, ids: Set<string>): Map<string, string[]> {
  const [b, m, t] = [parents(base), parents(mine), parents(theirs)]
  const set = (a: string[] | undefined) => [...(a ?? [])].sort()
  const out = new Map<string, string[]>()
  for (const id of ids) {
    const [x, y, z] = [b.get(id), m.get(id), t.get(id)]
    let p: string[]
    if (!y || !z) p = y ?? z ?? []
    else if (same(set(y), set(x)) || same(set(y), set(z))) p = z
    else if (same(set(z), set(x))) p = y
    else p = [...new Set([...y, ...z])]
    out.set(id, p)
  }
  // Behind a step that is gone: behind what that one was behind.
  const there = (id: string, seen: string[] = []): string[] =>
    ids.has(id) || seen.includes(id)
      ? ids.has(id)
        ? [id]
        : []
      : (b.get(id) ?? m.get(id) ?? t.get(id) ?? []).flatMap(p => there(p, [...seen, id]))
  for (const [id, p] of out)
    out.set(
      id,
      [...new Set(p.flatMap(x => there(x)))].filter(x => x !== id),
    )
  return out
}

function without(s: Step, field: string): Fields {
  const { [field]: _, ...rest } = s as Fields
  return rest
}
