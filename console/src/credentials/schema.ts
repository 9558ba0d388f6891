import type { Json } from '../flow/exact.ts'
import type { Values } from './queries.ts'

/** One value of a credential type, as its form shows it. */
export interface ValueField {
  name: string
  title: string
  about?: string
  secret: boolean
  required: boolean
  fallback: string
  choices?: string[]
}

const isObject = (v: Json | undefined): v is { [key: string]: Json } => typeof v === 'object' && v !== null && !Array.isArray(v)
const text = (v: Json | undefined) => (v === undefined || v === null ? '' : String(v))

/** The fields of a credential type's JSON Schema: what is needed first, a secret on its way out last. */
export function fieldsOf(schema: Json | undefined): ValueField[] {
  if (!isObject(schema) || !isObject(schema.properties)) return []
  const required = Array.isArray(schema.required) ? schema.required : []
  const fields: ValueField[] = Object.entries(schema.properties).flatMap(([name, p]) => {
    if (!isObject(p)) return []
    return [
      {
        name,
        title: text(p.title) || name,
        about: text(p.description) || undefined,
        secret: p.writeOnly === true || p.format === 'password',
        required: required.includes(name),
        fallback: text(p.default),
        choices: Array.isArray(p.enum) ? p.enum.map(text) : undefined,
      },
    ]
  })
  const place = (f: ValueField) => (f.required ? 0 : f.name.startsWith('previous') ? 2 : 1)
  return fields.sort((a, b) => place(a) - place(b))
}

/** The values to begin a form with. */
export const beginning = (fields: ValueField[]): Values => Object.fromEntries(fields.map(f => [f.name, f.fallback]))

/** What is sent of a form: what was left empty is left out. */
export const filled = (fields: ValueField[], values: Values): Values =>
  Object.fromEntries(fields.map(f => [f.name, values[f.name] ?? '']).filter(([, v]) => v !== ''))

/** The secrets that can be rotated: those whose predecessor the type has a place for (console/rotate.go). */
export const rotatable = (fields: ValueField[]): ValueField[] =>
  fields.filter(f => fields.some(p => p.name === `previous${f.name[0]?.toUpperCase()}${f.name.slice(1)}`))
