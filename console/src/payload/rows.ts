import { Exact, type Json } from '../flow/exact.ts'

// A payload as the rows of a tree. Rows are made of what is open alone, so that
// megabytes cost nothing until somebody opens them.

export interface Row {
  path: string
  depth: number
  /** The key or index within its parent, null at the root. */
  key: string | number | null
  value: Json
  /** How many members it has; -1: it is no container. */
  size: number
  open: boolean
}

const word = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The JSONata path of a member. */
export function member(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  const name = word.test(key) ? key : `\`${key.replaceAll('`', '')}\``
  return path ? `${path}.${name}` : name
}

const isContainer = (v: Json): v is Json[] | { [key: string]: Json } => v !== null && typeof v === 'object' && !(v instanceof Exact)

/** How many members of a container are shown before one asks for more. */
export const shownAtOnce = 500

/** The rows of a tree, in their order. limits: how many members of a path are shown. */
export function rowsOf(root: Json, open: ReadonlySet<string>, name = '', limits: ReadonlyMap<string, number> = new Map()): Row[] {
  const rows: Row[] = []
  const add = (value: Json, path: string, key: string | number | null, depth: number) => {
    const keys = isContainer(value) ? (Array.isArray(value) ? null : Object.keys(value)) : null
    const size = isContainer(value) ? (Array.isArray(value) ? value.length : keys!.length) : -1
    const isOpen = size > 0 && open.has(path)
    rows.push({ path, depth, key, value, size, open: isOpen })
    if (!isOpen) return
    const shown = Math.min(size, limits.get(path) ?? shownAtOnce)
    for (let i = 0; i < shown; i++) {
      const k = keys ? keys[i]! : i
      add(Array.isArray(value) ? value[i]! : (value as { [key: string]: Json })[k]!, member(path, k), k, depth + 1)
    }
    if (shown < size)
      rows.push({ path: `${path}\u0000more`, depth: depth + 1, key: null, value: `${size - shown} more`, size: -2, open: false })
  }
  add(root, name, null, 0)
  return rows
}

/** What is open at first: as much as fits on a screen. */
export function openAtFirst(root: Json, name = ''): Set<string> {
  const open = new Set<string>()
  let budget = 40
  let level: [Json, string][] = [[root, name]]
  for (let depth = 0; depth < 3 && budget > 0; depth++) {
    const next: [Json, string][] = []
    for (const [v, path] of level) {
      if (!isContainer(v)) continue
      const entries = Array.isArray(v) ? v.slice(0, 100).map((x, i) => [i, x] as const) : Object.entries(v).slice(0, 100)
      if (entries.length > budget && depth > 0) continue
      budget -= entries.length
      open.add(path)
      for (const [k, x] of entries) next.push([x, member(path, k)])
    }
    level = next
  }
  return open
}

export interface Hit {
  path: string
  /** The containers around it, to be opened. */
  around: string[]
}

/** Where a text is, in a key or in a value, in any case; at most `most` places. */
export function find(root: Json, text: string, name = '', most = 200): Hit[] {
  const wanted = text.toLowerCase()
  const hits: Hit[] = []
  const look = (v: Json, path: string, key: string | number | null, around: string[]): boolean => {
    if (typeof key === 'string' && key.toLowerCase().includes(wanted)) hits.push({ path, around })
    else if (!isContainer(v) && String(v).toLowerCase().includes(wanted)) hits.push({ path, around })
    if (hits.length >= most) return false
    if (!isContainer(v)) return true
    const inside = [...around, path]
    if (Array.isArray(v)) return v.every((x, i) => look(x, member(path, i), i, inside))
    return Object.entries(v).every(([k, x]) => look(x, member(path, k), k, inside))
  }
  look(root, name, null, [])
  return hits
}

/** The limits that let a hit be seen: what is around it shows as many members as it takes. */
export function limitsFor(root: Json, hit: Hit, limits: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  let out: Map<string, number> | undefined
  let v: Json | undefined = root
  const way = [...hit.around.slice(1), hit.path]
  hit.around.forEach((path, depth) => {
    if (v === undefined || !isContainer(v)) return
    const keys = Array.isArray(v) ? null : Object.keys(v)
    const next = way[depth]!
    const at = keys ? keys.findIndex(k => member(path, k) === next) : Number(next.slice(path.length + 1, -1))
    if (at >= (limits.get(path) ?? shownAtOnce)) {
      out ??= new Map(limits)
      out.set(path, at + 1 + shownAtOnce)
    }
    v = Array.isArray(v) ? v[at] : (v as { [key: string]: Json })[keys![at]!]
  })
  return out ?? limits
}
