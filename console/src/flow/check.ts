import type { FlowDocument } from './document.ts'
import type { Json } from './exact.ts'
import { parents, TRIGGER, upstream } from './graph.ts'
import { type Schema, schemaFields } from './schema.ts'

// What is wrong with a flow, by place. The server checks again on publishing;
// this is for marking it while one edits.

export interface Wrong {
  /** A step's ID, or TRIGGER. */
  at: string
  /** The field of the input, where it is one. */
  field?: string
  message: string
}

/** What is known of a component. */
export interface Known {
  title: string
  trigger: boolean
  needsCredential: boolean
  input: Schema
}

export interface Knows {
  component: (name: string) => Known | undefined
  /** The connector that a credential is of. */
  credential: (id: string) => string | undefined
}

const connectorOf = (component: string) => component.split('/')[0]!

export const isExpression = (v: Json | undefined): v is string => typeof v === 'string' && v.startsWith('=')

export function check(doc: FlowDocument, knows: Knows): Wrong[] {
  const out: Wrong[] = []
  const credential = (at: string, uses: string, id: string | undefined, needs: boolean) => {
    if (!id) {
      if (needs) out.push({ at, field: 'credential', message: 'Choose a credential' })
    } else if (knows.credential(id) === undefined)
      out.push({ at, field: 'credential', message: 'This credential is not there any more: choose another' })
    else if (knows.credential(id) !== connectorOf(uses))
      out.push({ at, field: 'credential', message: 'This credential is for another system' })
  }
  const trigger = knows.component(doc.trigger.uses)
  if (!trigger?.trigger) out.push({ at: TRIGGER, field: 'uses', message: `There is no trigger ${doc.trigger.uses}` })
  credential(TRIGGER, doc.trigger.uses, doc.trigger.credential, false)

  const all = parents(doc)
  const ids = new Set(doc.steps.map(s => s.id))
  for (const s of doc.steps) {
    const known = knows.component(s.uses)
    if (!known || known.trigger) {
      out.push({ at: s.id, field: 'uses', message: `There is no action ${s.uses}` })
      continue
    }
    credential(s.id, s.uses, s.credential, known.needsCredential)
    for (const p of all.get(s.id) ?? [])
      if (!ids.has(p)) out.push({ at: s.id, field: 'after', message: `There is no step ${p} to run after` })
    if (isExpression(s.input)) {
      if (!s.input.slice(1).trim()) out.push({ at: s.id, field: '', message: 'Write the expression' })
    } else {
      const input = s.input ?? {}
      for (const f of schemaFields(known.input)) {
        const v = typeof input === 'object' ? input[f.name] : undefined
        if (v === undefined || v === '') {
          if (f.required) out.push({ at: s.id, field: f.name, message: `${f.title} is required` })
        } else if (!isExpression(v) && f.fault(v)) out.push({ at: s.id, field: f.name, message: `${f.title}: ${f.fault(v)}` })
        else if (isExpression(v) && !v.slice(1).trim()) out.push({ at: s.id, field: f.name, message: `${f.title}: write the expression` })
      }
    }
    const before = new Set(upstream(doc, s.id))
    for (const name of stepsNamed(JSON.stringify([s.input, s.when, s.each]))) {
      if (!ids.has(name)) out.push({ at: s.id, message: `It uses steps.${name}, and there is no such step` })
      else if (!before.has(name)) out.push({ at: s.id, message: `It uses steps.${name}, which does not run before it` })
    }
  }
  return out
}

/** The steps that expressions name as steps.ID. */
export function stepsNamed(text: string | undefined): string[] {
  return [...new Set([...(text ?? '').matchAll(/(?<![\w$.`"])steps\.(?:`([^`]+)`|([A-Za-z_][A-Za-z0-9_]*))/g)].map(m => m[1] ?? m[2]!))]
}
