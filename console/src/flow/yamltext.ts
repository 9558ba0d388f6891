import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import type { FlowDocument } from './document.ts'
import { Exact, type Json, same } from './exact.ts'
import { exactMarks, fromYAML, toYAML } from './yaml.ts'

// The text that people write, beside the document that it says: a change of the
// document goes into the text with its comments, and a place of the document is
// found in the text.

export type Path = (string | number)[]

const options = { version: '1.2', intAsBigInt: false } as const

/** Whether a text says something that the document does not: what is written after #. */
export function hasComments(text: string): boolean {
  if (!text.includes('#')) return false
  const doc = parseDocument(text, options)
  let found = !!(doc.comment || doc.commentBefore)
  visit(doc, {
    Node(_, n) {
      const node = n as Node
      if (node.comment || node.commentBefore) {
        found = true
        return visit.BREAK
      }
    },
  })
  return found
}

/** The text, saying what a document says now: comments, order and style of what stays are kept. */
export function rewriteYAML(text: string, doc: FlowDocument): string {
  try {
    if (same(fromYAML(text), doc)) return text
  } catch {
    return toYAML(doc)
  }
  const parsed = parseDocument(text, options)
  const { mark, digits, marked } = exactMarks()
  // Numbers whose digits the library would not print as they are written.
  visit(parsed, {
    Scalar(key, n) {
      if (key !== 'key' && typeof n.value === 'number' && n.source && n.source !== String(n.value)) {
        n.value = `${mark}${digits.push(n.source) - 1}x`
        n.type = Scalar.PLAIN
      }
    },
  })
  const value = (n: unknown): Json | undefined => {
    if (isScalar(n)) {
      const at = typeof n.value === 'string' && n.value.startsWith(mark) ? Number(n.value.slice(mark.length, -1)) : -1
      return at >= 0 ? new Exact(digits[at]!) : (n.value as Json)
    }
    if (isAlias(n)) return value(n.resolve(parsed))
    if (isSeq(n)) return n.items.map(x => value(x) ?? null)
    if (isMap(n)) return Object.fromEntries(n.items.map(p => [keyOf(p), value(p.value) ?? null]))
    return null
  }
  const put = (n: unknown, v: unknown): unknown => {
    const is = value(n)
    if (same(is, v) || (is instanceof Exact && typeof v === 'number' && Number(is.source) === v)) return n
    if (isMap(n) && isObject(v)) return putMap(parsed, n, v, put, marked)
    if (isSeq(n) && Array.isArray(v)) return putSeq(parsed, n, v, put, marked)
    const made = parsed.createNode(marked(v)) as Node
    if (isNode(n)) {
      made.comment = n.comment
      made.commentBefore = n.commentBefore
      made.spaceBefore = n.spaceBefore
      if (
        isScalar(n) &&
        isScalar(made) &&
        typeof made.value === 'string' &&
        typeof n.value === 'string' &&
        made.value.includes('\n') === n.value.includes('\n')
      )
        made.type = n.type
    }
    return made
  }
  parsed.contents = put(parsed.contents, doc) as typeof parsed.contents
  const written = parsed.toString({ lineWidth: 0 }).replace(new RegExp(`["']?${mark}(\\d+)x["']?`, 'g'), (_, i) => digits[Number(i)]!)
  try {
    if (same(fromYAML(written), doc)) return written
  } catch {}
  return toYAML(doc)
}

const isObject = (v: unknown): v is Record<string, unknown> =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)
const keyOf = (p: Pair) => (isScalar(p.key) ? String(p.key.source ?? p.key.value) : String(p.key))

function putMap(
  doc: Document,
  n: YAMLMap,
  v: Record<string, unknown>,
  put: (n: unknown, v: unknown) => unknown,
  marked: (v: unknown) => unknown,
) {
  n.items = n.items.filter(p => v[keyOf(p)] !== undefined)
  let at = 0
  for (const [k, x] of Object.entries(v)) {
    if (x === undefined) continue
    const i = n.items.findIndex(p => keyOf(p) === k)
    if (i >= 0) {
      n.items[i]!.value = put(n.items[i]!.value, x)
      at = i + 1
    } else n.items.splice(at++, 0, doc.createPair(k, marked(x)))
  }
  return n
}

function putSeq(doc: Document, n: YAMLSeq, v: unknown[], put: (n: unknown, v: unknown) => unknown, marked: (v: unknown) => unknown) {
  const idOf = (x: unknown) => (isMap(x) ? x.get('id') : isObject(x) ? x.id : undefined)
  const byID = v.every(x => typeof idOf(x) === 'string')
  const was = [...n.items]
  n.items = v.map((x, i) => {
    const old = byID ? was.find(w => idOf(w) === idOf(x)) : was[i]
    return old === undefined ? doc.createNode(marked(x)) : put(old, x)
  })
  return n
}

/** Where the places of a document stand in its text; a place that is not there is where what it is in begins. */
export function placesIn(text: string): (path: Path) => { from: number; to: number } {
  const parsed = parseDocument(text, options)
  return path => {
    let node: unknown = parsed.contents
    let found = { from: 0, to: Math.max(0, text.indexOf('\n')) }
    for (const part of path) {
      if (isMap(node)) {
        const pair: Pair | undefined = node.items.find(p => keyOf(p) === part)
        if (!pair) return found
        const key = (pair.key as Node).range
        const range = isScalar(pair.value) ? pair.value.range : undefined
        if (key) found = { from: key[0], to: range?.[1] ?? key[1] }
        node = pair.value
      } else if (isSeq(node)) {
        node = node.items[Number(part)]
        const range = isNode(node) ? node.range : undefined
        if (!range) return found
        found = { from: range[0], to: Math.min(range[1], lineEnd(text, range[0])) }
      } else return found
    }
    return { from: found.from, to: Math.min(found.to, lineEnd(text, found.from)) }
  }
}

const lineEnd = (text: string, at: number) => {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}
