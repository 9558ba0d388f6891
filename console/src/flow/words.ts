import type { Change } from './diff.ts'
import type { FlowDocument } from './document.ts'
import { Exact, printJSON, same } from './exact.ts'

// Changes for people: where, what, from what to what.

export interface Said {
  mark: 'added' | 'removed' | 'changed'
  /** The step's ID; '' for the flow, TRIGGER's path for the trigger. */
  step: string
  where: string
  field: string
  before?: string
  after?: string
}

const fields: Record<string, string> = { uses: 'component', each: 'once per', on: 'runs on' }
const isObject = (v: unknown): v is Record<string, unknown> =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)
const shown = (v: unknown) => (v === undefined ? undefined : typeof v === 'string' ? v : printJSON(v))

/** One line for each thing that differs; an object's fields one by one. */
export function inWords(changes: Change[], a: FlowDocument, b: FlowDocument): Said[] {
  const name = (id: string) => [b, a].flatMap(d => d.steps.find(s => s.id === id)?.name ?? [])[0] ?? id
  const lines = (step: string, where: string, field: string, before: unknown, after: unknown): Said[] => {
    if (isObject(before) && isObject(after) && field !== 'sample') {
      return [...new Set([...Object.keys(before), ...Object.keys(after)])]
        .filter(k => !same(before[k], after[k]))
        .flatMap(k => lines(step, where, `${field}.${k}`, before[k], after[k]))
    }
    const mark = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
    return [{ mark, step, where, field: fields[field] ?? field, before: shown(before), after: shown(after) }]
  }
  return changes.flatMap((c): Said[] => {
    switch (c.kind) {
      case 'flow':
        return lines('', 'Flow', c.field, c.before, c.after)
      case 'trigger':
        return lines('/trigger', 'Trigger', c.field, c.before, c.after)
      case 'step':
        return lines(c.id, name(c.id), c.field, c.before, c.after)
      case 'added':
      case 'removed':
        return [{ mark: c.kind, step: c.id, where: name(c.id), field: `step · ${c.step.uses}` }]
      default: {
        const common = c.after.filter(id => c.before.includes(id))
        return same(
          common,
          c.before.filter(id => common.includes(id)),
        )
          ? []
          : [
              {
                mark: 'changed',
                step: '',
                where: 'Flow',
                field: 'order of the steps',
                before: c.before.join(', '),
                after: c.after.join(', '),
              },
            ]
      }
    }
  })
}
