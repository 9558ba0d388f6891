import type { FlowDocument, Step } from './document.ts'
import type { Json } from './exact.ts'
import { parents, siblings, TRIGGER, upstream } from './graph.ts'
import { type Schema, schemaFields } from './schema.ts'
import { faults, resolve } from './validate.ts'

// What is wrong with a flow, by place. The server checks again on publishing;
// this is for marking it while one edits.

export interface Wrong {
  /** A step's ID, or TRIGGER. */
  at: string
  /** The field of the input, where it is one. */
  field?: string
  /** The setting, such as retry/attempts, where it is one; flow/rate is one of the whole flow. */
  setting?: string
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
  /** Of flow documents (schemas/flow.schema.json). */
  flow?: Schema
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
  if (trigger && doc.trigger.uses !== 'webhook/receive') out.push(...inputFaults(TRIGGER, trigger, doc.trigger.input as Step['input']))
  if (knows.flow) out.push(...settingFaults(doc, knows.flow))

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
      if (!ids.has(p)) out.push({ at: s.id, setting: 'after', message: `There is no step ${p} to run after` })
    out.push(...inputFaults(s.id, known, s.input))
    if (s.otherwise && !siblings(doc, s.id).some(x => doc.steps.find(o => o.id === x)?.when !== undefined))
      out.push({ at: s.id, setting: 'otherwise', message: 'Otherwise: no other branch has a condition' })
    const before = new Set(upstream(doc, s.id))
    for (const name of stepsNamed(JSON.stringify([s.input, s.when, s.each]))) {
      if (!ids.has(name)) out.push({ at: s.id, message: `It uses steps.${name}, and there is no such step` })
      else if (!before.has(name)) out.push({ at: s.id, message: `It uses steps.${name}, which does not run before it` })
    }
  }
  return out
}

function inputFaults(at: string, known: Known, input: Step['input']): Wrong[] {
  if (isExpression(input)) return input.slice(1).trim() ? [] : [{ at, field: '', message: 'Write the expression' }]
  return schemaFields(known.input).flatMap((f): Wrong[] => {
    const v = typeof input === 'object' ? input[f.name] : undefined
    if (v === undefined || v === '') return f.required ? [{ at, field: f.name, message: `${f.title} is required` }] : []
    if (isExpression(v)) return v.slice(1).trim() ? [] : [{ at, field: f.name, message: `${f.title}: write the expression` }]
    const why = f.fault(v) || faults(known.input, f.schema, v, true).map(x => [x.path, x.message].filter(Boolean).join(' '))[0]
    return why ? [{ at, field: f.name, message: `${f.title}: ${why}` }] : []
  })
}

// Inputs are the components' and samples are anybody's: they are checked elsewhere, or not.
const elsewhere = new Set(['input', 'sample', 'trigger', 'steps'])

/** Where settings are not what the schema of flow documents wants. */
export function settingFaults(doc: FlowDocument, schema: Schema): Wrong[] {
  const titled = (s: Schema | undefined, path: string, message: string) => {
    let at = s && resolve(schema, s)
    const names: string[] = []
    for (const part of path.split('/')) {
      const next: Schema | undefined = at?.properties?.[part]
      if (!next) break
      at = resolve(schema, next)
      names.push(at.title ?? part)
    }
    return `${names.join(', ') || path} ${message}`
  }
  const all = (at: string, s: Schema | undefined, v: { [key: string]: unknown }, prefix = ''): Wrong[] => {
    if (!s) return []
    const own = Object.fromEntries(Object.entries(v).filter(([k, x]) => !elsewhere.has(k) && x !== undefined)) as { [key: string]: Json }
    const { required: _, ...open } = resolve(schema, s)
    return faults(schema, open, own).map(f => ({ at, setting: prefix + f.path, message: titled(open, f.path, f.message) }))
  }
  return [
    ...all(TRIGGER, schema, doc, 'flow/'),
    ...all(TRIGGER, schema.$defs?.trigger, doc.trigger),
    ...doc.steps.flatMap(s => all(s.id, schema.$defs?.step, s)),
  ]
}

/** The steps that expressions name as steps.ID. */
export function stepsNamed(text: string | undefined): string[] {
  return [...new Set([...(text ?? '').matchAll(/(?<![\w$.`"])steps\.(?:`([^`]+)`|([A-Za-z_][A-Za-z0-9_]*))/g)].map(m => m[1] ?? m[2]!))]
}
