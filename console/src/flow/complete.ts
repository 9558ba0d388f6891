import type { FlowDocument } from './document.ts'
import type { Json } from './exact.ts'
import type { Schema } from './schema.ts'
import type { Context } from './yamlcontext.ts'
import type { Path } from './yamltext.ts'

// What may stand at a place of a flow's YAML: keys and values of the JSON
// Schema, components, credentials and the steps there are.

export interface Suggestion {
  label: string
  detail?: string
  info?: string
  apply?: string
  required?: boolean
}

export interface Offering {
  /** The JSON Schema of flow documents. */
  schema: WithRefs
  components: { name: string; title: string; trigger: boolean; input?: Schema }[]
  credentials: { id: string; name: string; uses: string }[]
  doc: FlowDocument
}

export type WithRefs = Schema & { $ref?: string; $defs?: { [name: string]: WithRefs } }

/** The schemas that a place may have: several where there is a choice. */
export function schemasAt(root: WithRefs, path: Path): WithRefs[] {
  const open = (s: WithRefs | undefined, depth = 0): WithRefs[] => {
    if (!s || depth > 8) return []
    const { $ref, ...own } = s
    if ($ref) return open(root.$defs?.[$ref.replace('#/$defs/', '')], depth + 1).map(t => ({ ...t, ...own }))
    const choices = s.anyOf ?? s.oneOf
    return [s, ...(choices ?? []).flatMap(c => open(c, depth + 1))]
  }
  let at = open(root)
  for (const part of path) at = at.flatMap(s => open(typeof part === 'number' ? s.items : s.properties?.[part]))
  return at
}

const written = (v: Json | undefined) =>
  v === undefined ? '' : typeof v === 'string' ? (/^[=\w][\w./ -]*$/.test(v) ? v : JSON.stringify(v)) : String(v)

export function suggest(c: Context, o: Offering): Suggestion[] {
  const component = (path: Path) => {
    const step = path[0] === 'steps' ? path.slice(0, 2) : ['trigger']
    const uses = c.values.get([...step, 'uses'].join('/'))
    return o.components.find(x => x.name === uses)
  }
  const inInput = (path: Path) => (path[0] === 'steps' && path[2] === 'input') || (path[0] === 'trigger' && path[1] === 'input')
  const schemas = (path: Path): WithRefs[] => {
    if (!inInput(path)) return schemasAt(o.schema, path)
    return schemasAt((component(path)?.input ?? {}) as WithRefs, path.slice(path[0] === 'steps' ? 3 : 2))
  }
  const values = (path: Path): Suggestion[] => {
    const last = path.at(-1)
    if (last === 'uses') {
      const trigger = path[0] === 'trigger'
      return o.components.filter(x => x.trigger === trigger).map(x => ({ label: x.name, detail: x.title }))
    }
    if (last === 'credential') {
      const connector = component(path)?.name.split('/')[0]
      return o.credentials.filter(x => !connector || x.uses === connector).map(x => ({ label: x.id, detail: x.name }))
    }
    if (path[0] === 'steps' && path[2] === 'after') {
      const own = c.values.get(`steps/${path[1]}/id`)
      return o.doc.steps.filter(s => s.id !== own).map(s => ({ label: s.id, detail: s.name ?? s.uses }))
    }
    return schemas(path).flatMap((s): Suggestion[] => {
      const list = s.enum ?? (s.const !== undefined ? [s.const] : s.type === 'boolean' ? [true, false] : undefined)
      if (list) return list.map(v => ({ label: written(v), detail: s.default === v ? 'default' : undefined }))
      return (s.examples ?? []).filter(v => v === null || typeof v !== 'object').map(v => ({ label: written(v), detail: 'such as' }))
    })
  }
  const unique = (list: Suggestion[]) => list.filter((s, i) => s.label !== '' && list.findIndex(x => x.label === s.label) === i)
  if (c.is === 'value') return unique(values(c.path))
  if (typeof c.path.at(-1) === 'number' && c.siblings.length === 0) {
    const items = values(c.path)
    if (items.length > 0) return unique(items)
  }
  return unique(
    schemas(c.path).flatMap(s =>
      Object.entries(s.properties ?? {})
        .filter(([name]) => !c.siblings.includes(name) || name === c.typed)
        .map(([name, p]) => {
          const all = schemasAt({ ...o.schema, ...p } as WithRefs, [])
          const title = p.title ?? all[0]?.title
          const needed = s.required?.includes(name) ?? false
          return {
            label: name,
            detail: needed ? `${title ?? ''} · required` : title,
            info: p.description ?? all[0]?.description,
            apply: `${name}: `,
            required: needed,
          }
        }),
    ),
  )
}
