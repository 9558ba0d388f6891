import type { Json } from './exact.ts'
import { Exact } from './exact.ts'
import { fault as plainFault, type Schema, typeOf, typesOf } from './schema.ts'

// As much of JSON Schema 2020-12 as schemas/flow.schema.json and the components'
// schemas use, without code made from text, which the page's policy forbids.

export interface Fault {
  /** The names from the value to the place, with / in between. */
  path: string
  message: string
}

/** A schema with its $ref followed; what stands beside the $ref wins. */
export function resolve(root: Schema, s: Schema): Schema {
  let out = s
  for (let i = 0; out.$ref !== undefined && i < 10; i++) {
    const { $ref, ...beside } = out
    let to: unknown = root
    for (const part of $ref.replace(/^#\/?/, '').split('/')) to = (to as Record<string, unknown> | undefined)?.[part]
    out = { ...(to as Schema | undefined), ...beside }
  }
  return out
}

const isObject = (v: Json): v is { [key: string]: Json } =>
  v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)

/** Where a value does not do for a schema. With `expressions`, a text that begins with = does for anything. */
export function faults(root: Schema, schema: Schema, v: Json, expressions = false, path = ''): Fault[] {
  if (expressions && typeof v === 'string' && v.startsWith('=')) return []
  const s = resolve(root, schema)
  const wrong = (message: string): Fault[] => [{ path, message: s['x-want'] ? `should be ${s['x-want']}` : message }]
  const within = (name: string) => (path ? `${path}/${name}` : name)

  if (s.const !== undefined && v !== s.const) return wrong(`should be ${String(s.const)}`)
  const some = s.anyOf ?? s.oneOf
  if (some && !some.every(x => x.required && !x.type)) {
    const tries = some.map(x => faults(root, x, v, expressions, path))
    if (tries.some(t => t.length === 0)) return []
    // The one that is meant is the one of its type, where there is one.
    const meant = some.findIndex(x => {
      const types = typesOf(resolve(root, x))
      return types.length > 0 && types.includes(typeOf(v))
    })
    return meant >= 0 && isObject(v) ? tries[meant]! : wrong('should be of another form')
  }
  if (s.type === undefined && s.enum === undefined) return []
  const plain = plainFault({ ...s, pattern: undefined, description: undefined }, v)
  if (plain) return wrong(plain)
  if (typeof v === 'string') {
    if (s.maxLength !== undefined && [...v].length > s.maxLength) return wrong(`should have at most ${s.maxLength} characters`)
    if (s.pattern && !matches(s.pattern, v))
      return wrong(`should be such as ${s.examples?.map(String).join(', ') || s.description || 'of another form'}`)
  }
  if (Array.isArray(v)) {
    if (s.minItems !== undefined && v.length < s.minItems) return wrong('should not be empty')
    if (s.maxItems !== undefined && v.length > s.maxItems) return wrong(`should have at most ${s.maxItems} elements`)
    return s.items ? v.flatMap((x, i) => faults(root, s.items!, x, expressions, within(String(i)))) : []
  }
  if (isObject(v)) {
    const out: Fault[] = []
    for (const name of s.required ?? []) {
      if (v[name] === undefined) out.push({ path: within(name), message: 'is required' })
    }
    for (const [name, x] of Object.entries(v)) {
      const property = s.properties?.[name]
      if (x === undefined) continue
      if (property) out.push(...faults(root, property, x, expressions, within(name)))
      else if (s.additionalProperties === false) out.push({ path: within(name), message: 'is no setting that there is' })
    }
    return out
  }
  return []
}

function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text)
  } catch {
    return true // Go's syntax, which the server judges
  }
}
