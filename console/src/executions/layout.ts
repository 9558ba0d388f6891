import type { FlowDocument } from '../flow/document.ts'

// Where the steps of a flow stand in a picture: below what they run after.

export interface Placed {
  id: string
  row: number
  column: number
}

export interface Layout {
  nodes: Placed[]
  edges: [from: string, to: string][]
  rows: number
  columns: number
}

export const start = 'trigger'

/** A layout of a flow: the trigger on top, each step one row below the lowest that it runs after. */
export function layoutOf(flow: Pick<FlowDocument, 'steps'>): Layout {
  const edges: [string, string][] = []
  const row = new Map<string, number>([[start, 0]])
  let above = start
  const ids = new Set(flow.steps.map(s => s.id))
  const after = new Map<string, string[]>()
  for (const s of flow.steps) {
    const named = (s.after ?? [above]).filter(a => a === start || ids.has(a))
    after.set(s.id, named.length ? named : [start])
    above = s.id
  }
  // Steps may name later ones: settle in as many rounds as there are steps at most.
  for (let round = 0; round <= flow.steps.length; round++) {
    let moved = false
    for (const s of flow.steps) {
      const at = 1 + Math.max(...after.get(s.id)!.map(a => row.get(a) ?? 0))
      if (row.get(s.id) !== at && at <= flow.steps.length) {
        row.set(s.id, at)
        moved = true
      }
    }
    if (!moved) break
  }
  const filled = new Map<number, number>()
  const nodes: Placed[] = [{ id: start, row: 0, column: 0 }]
  filled.set(0, 1)
  for (const s of flow.steps) {
    const r = row.get(s.id) ?? 1
    const column = filled.get(r) ?? 0
    filled.set(r, column + 1)
    nodes.push({ id: s.id, row: r, column })
    for (const a of after.get(s.id)!) edges.push([a, s.id])
  }
  return { nodes, edges, rows: Math.max(...filled.keys()) + 1, columns: Math.max(...filled.values()) }
}
