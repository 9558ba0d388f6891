import { Exact, type Json } from './exact.ts'

// As much of JSON Schema 2020-12 as a form needs.

export interface Schema {
  $ref?: string
  $defs?: { [name: string]: Schema }
  type?: string | string[]
  title?: string
  description?: string
  default?: Json
  enum?: Json[]
  const?: Json
  examples?: Json[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  additionalProperties?: boolean | Schema
  /** What is wanted, in words. */
  'x-want'?: string
  minimum?: number
  maximum?: number
  writeOnly?: boolean
  required?: string[]
  properties?: { [name: string]: Schema }
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  'x-choices'?: boolean
}

export interface SchemaField {
  name: string
  title: string
  about?: string
  required: boolean
  schema: Schema
  /** What it may be in words, such as text or number. */
  kind: string
  /** Why a value is none for it; '' when it is. */
  fault: (v: Json) => string
}

const words: Record<string, string> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true or false',
  object: 'object',
  array: 'list',
  null: 'null',
}

export const typesOf = (s: Schema): string[] => (Array.isArray(s.type) ? s.type : s.type ? [s.type] : [])

export function kindOf(s: Schema): string {
  const t = typesOf(s)
  return t.length === 0 ? 'any' : t.map(x => words[x] ?? x).join(' or ')
}

/** The type of a value, in JSON Schema's words. */
export function typeOf(v: unknown): string {
  if (v === null) return 'null'
  if (Array.isArray(v)) return 'array'
  if (v instanceof Exact) return /[.eE]/.test(v.source) ? 'number' : 'integer'
  if (typeof v === 'number') return Number.isInteger(v) ? 'integer' : 'number'
  return typeof v
}

/** Why a value is none for a schema; '' when it is, as far as this looks. */
export function fault(s: Schema, v: Json): string {
  const types = typesOf(s)
  const is = typeOf(v)
  if (types.length > 0 && !types.includes(is) && !(is === 'integer' && types.includes('number'))) {
    return `should be ${/^[aeiou]/.test(kindOf(s)) ? 'an' : 'a'} ${kindOf(s)}, not ${words[is] ?? is}`
      .replace('a text', 'text')
      .replace('a true', 'true')
  }
  if (s.enum && !s.enum.includes(v)) return `should be one of ${s.enum.map(String).join(', ')}`
  if (typeof v === 'string') {
    if (s.minLength && v.length < s.minLength) return 'is required'
    if (s.pattern && !new RegExp(s.pattern, 'u').test(v))
      return `should be ${s.description ?? s.examples?.map(String).join(', ') ?? 'of another form'}`
  }
  if (typeof v === 'number') {
    if (s.minimum !== undefined && v < s.minimum) return `should be at least ${s.minimum}`
    if (s.maximum !== undefined && v > s.maximum) return `should be at most ${s.maximum}`
  }
  return ''
}

const spoken = (name: string) => {
  const words = name
    .replace(/[_-]+/g, ' ')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The fields of an object's schema, the required ones first. */
export function schemaFields(s: Schema | undefined): SchemaField[] {
  const all = Object.entries(s?.properties ?? {}).map(([name, schema]) => ({
    name,
    title: schema.title ?? spoken(name),
    about: schema.description,
    required: s?.required?.includes(name) ?? false,
    schema,
    kind: kindOf(schema),
    fault: (v: Json) => fault(schema, v),
  }))
  return [...all.filter(f => f.required), ...all.filter(f => !f.required)]
}
