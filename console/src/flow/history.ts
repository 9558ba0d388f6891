import { apply, type Change, diff, invert } from './diff.ts'
import type { FlowDocument } from './document.ts'
import type { Edit } from './edit.ts'

/** A document with what was done to it. It is a value: it can be stored and read again. */
export interface History {
  doc: FlowDocument
  done: Done[]
  /** How many of `done` are in the document; what follows was undone. */
  at: number
}

export interface Done {
  label: string
  changes: Change[]
}

const most = 500

export const begin = (doc: FlowDocument): History => ({ doc, done: [], at: 0 })

/** Makes an edit. One that changes nothing leaves no trace; `merge` adds it to the last one of the same label. */
export function make(h: History, label: string, edit: Edit, merge = false): History {
  const doc = edit(h.doc)
  if (doc === h.doc) return h
  const changes = diff(h.doc, doc)
  if (changes.length === 0) return h
  const done = h.done.slice(0, h.at)
  const last = done.at(-1)
  if (merge && last?.label === label) {
    const from = restore(h.doc, invert(last.changes))
    done[done.length - 1] = { label, changes: diff(from, doc) }
  } else done.push({ label, changes })
  const kept = done.slice(-most)
  return { doc, done: kept, at: kept.length }
}

export function undo(h: History): History {
  const last = h.done[h.at - 1]
  return last ? { ...h, doc: restore(h.doc, invert(last.changes)), at: h.at - 1 } : h
}

export function redo(h: History): History {
  const next = h.done[h.at]
  return next ? { ...h, doc: restore(h.doc, next.changes), at: h.at + 1 } : h
}

// An order comes after the steps that it puts in order are there.
function restore(doc: FlowDocument, changes: Change[]): FlowDocument {
  return apply(doc, [...changes.filter(c => c.kind !== 'order'), ...changes.filter(c => c.kind === 'order')])
}
