import { Graph, layout } from '@dagrejs/dagre'
import type { FlowDocument } from '../flow/document.ts'
import { parents, TRIGGER } from '../flow/graph.ts'

// Where the nodes of the canvas stand and which way its edges go. Nothing of it
// is in the document: the same flow always looks the same.

export const nodeWidth = 264
export const nodeHeight = 76

export interface PlacedNode {
  id: string
  /** Of its upper left corner. */
  x: number
  y: number
}

export interface PlacedEdge {
  id: string
  from: string
  to: string
  /** An SVG path. */
  path: string
  /** Where something can be put in between. */
  x: number
  y: number
}

export interface Placed {
  nodes: PlacedNode[]
  edges: PlacedEdge[]
  width: number
  height: number
}

/** Who runs after whom, as edges; a step that begins with the flow runs after the trigger. */
export function edgesOf(doc: FlowDocument): { from: string; to: string }[] {
  const ids = new Set(doc.steps.map(s => s.id))
  return [...parents(doc)].flatMap(([to, before]) => {
    const known = before.filter(p => ids.has(p))
    return (known.length === 0 ? [TRIGGER] : known).map(from => ({ from, to }))
  })
}

/** What the layout depends on: as long as it stays the same, so does the layout. */
export const shapeOf = (doc: FlowDocument) =>
  JSON.stringify([doc.steps.map(s => s.id), edgesOf(doc).map(e => [e.from, e.to]), doc.steps.map(s => conditional(s))])

const conditional = (s: FlowDocument['steps'][number]) => s.when !== undefined || s.otherwise === true || (s.on ?? 'success') !== 'success'

/** Lays a flow out from top to bottom. */
export function place(doc: FlowDocument): Placed {
  const g = new Graph()
  g.setGraph({ rankdir: 'TB', nodesep: 44, edgesep: 28, ranksep: doc.steps.some(conditional) ? 92 : 68, marginx: 0, marginy: 0 })
  g.setDefaultEdgeLabel(() => ({}))
  g.setNode(TRIGGER, { width: nodeWidth, height: nodeHeight })
  for (const s of doc.steps) g.setNode(s.id, { width: nodeWidth, height: nodeHeight })
  const edges = edgesOf(doc)
  // A step stands close below the one that it runs after; lines to a join may be long.
  const before = new Map<string, number>()
  for (const e of edges) before.set(e.to, (before.get(e.to) ?? 0) + 1)
  for (const e of edges) g.setEdge(e.from, e.to, { weight: before.get(e.to) === 1 ? 8 : 1 })
  layout(g)
  const nodes = g.nodes().map((id): PlacedNode => {
    const n = g.node(id) as { x: number; y: number }
    return { id, x: Math.round(n.x - nodeWidth / 2), y: Math.round(n.y - nodeHeight / 2) }
  })
  const at = new Map(nodes.map(n => [n.id, n]))
  return {
    nodes,
    edges: edges.map(({ from, to }) => {
      const a = at.get(from)!
      const b = at.get(to)!
      // The middle points lead past the nodes that stand in between.
      const way = (g.edge(from, to) as { points: { x: number; y: number }[] }).points.slice(1, -1)
      const start = { x: a.x + nodeWidth / 2, y: a.y + nodeHeight }
      const end = { x: b.x + nodeWidth / 2, y: b.y }
      const between = way.length > 1 ? way.slice(1, -1).filter((_, i) => i % 2 === 0 || way.length < 4) : []
      return { id: `${from} ${to}`, from, to, path: curve([start, ...between, end]), ...middle(start, between, end) }
    }),
    width: Math.max(...nodes.map(n => n.x)) + nodeWidth,
    height: Math.max(...nodes.map(n => n.y)) + nodeHeight,
  }
}

type Point = { x: number; y: number }

const r = (n: number) => Math.round(n * 10) / 10

/** A line through points that goes down at each of them. */
function curve(points: Point[]): string {
  let d = `M${r(points[0]!.x)},${r(points[0]!.y)}`
  for (let i = 1; i < points.length; i++) {
    const p = points[i - 1]!
    const q = points[i]!
    const bend = (q.y - p.y) / 2
    d += ` C${r(p.x)},${r(p.y + bend)} ${r(q.x)},${r(q.y - bend)} ${r(q.x)},${r(q.y)}`
  }
  return d
}

function middle(start: Point, between: Point[], end: Point): Point {
  const p = between[Math.floor(between.length / 2)]
  return p ? { x: r(p.x), y: r(p.y) } : { x: r((start.x + end.x) / 2), y: r((start.y + end.y) / 2) }
}

/** The node that one comes to from another by an arrow key; undefined where there is none. */
export function neighbour(placed: Placed, from: string, way: 'up' | 'down' | 'left' | 'right'): string | undefined {
  const at = new Map(placed.nodes.map(n => [n.id, n]))
  const here = at.get(from)
  if (!here) return placed.nodes[0]?.id
  const nearest = (ids: string[]) =>
    ids
      .map(id => at.get(id)!)
      .sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x) || a.x - b.x)
      .at(0)?.id
  if (way === 'down') return nearest(placed.edges.filter(e => e.from === from).map(e => e.to))
  if (way === 'up') return nearest(placed.edges.filter(e => e.to === from).map(e => e.from))
  const beside = placed.nodes.filter(n => n.y === here.y && (way === 'left' ? n.x < here.x : n.x > here.x))
  return nearest(beside.map(n => n.id))
}
