import { Exact, type Json } from './exact.ts'
import { typeOf } from './schema.ts'

// The places of a sample, as JSONata writes them: what a mapping's drop-down offers.

export interface Place {
  /** An expression without its =, such as body.petname. */
  path: string
  /** The last part, for people. */
  name: string
  depth: number
  type: string
  /** The value, short. */
  shown: string
}

const plain = /^[A-Za-z_][A-Za-z0-9_]*$/
const reserved = new Set(['and', 'or', 'in', 'true', 'false', 'null'])

/** A path with one more name. */
export const within = (path: string, name: string) =>
  `${path}.${plain.test(name) && !reserved.has(name) ? name : `\`${name.replaceAll('`', '')}\``}`

export function short(v: unknown, most = 60): string {
  if (v === undefined) return ''
  if (v instanceof Exact) return v.source
  if (Array.isArray(v)) return `${v.length} ${v.length === 1 ? 'element' : 'elements'}`
  if (v !== null && typeof v === 'object') return `${Object.keys(v).length} fields`
  const text = typeof v === 'string' ? v : String(v)
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** The places within a value, the value itself first; at most 400, four deep. */
export function places(path: string, v: Json, name = path, depth = 0, out: Place[] = []): Place[] {
  if (out.length >= 400) return out
  out.push({ path, name, depth, type: typeOf(v), shown: short(v) })
  if (depth >= 4 || v === null || typeof v !== 'object' || v instanceof Exact) return out
  if (Array.isArray(v)) {
    const first = v[0]
    if (first !== null && typeof first === 'object' && !Array.isArray(first) && !(first instanceof Exact)) {
      for (const [k, x] of Object.entries(first)) places(within(`${path}[0]`, k), x, `[0].${k}`, depth + 1, out)
    }
    return out
  }
  for (const [k, x] of Object.entries(v)) places(within(path, k), x, k, depth + 1, out)
  return out
}
