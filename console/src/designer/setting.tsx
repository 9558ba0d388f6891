import { useState } from 'react'
import { type Json, parseJSON, printJSON } from '../flow/exact.ts'
import { type Schema, typesOf } from '../flow/schema.ts'
import { resolve } from '../flow/validate.ts'
import { Check, Select, TextArea, TextField } from '../ui/field.tsx'
import { flowSchema } from './schema.ts'

/** A control for a setting, made from its JSON Schema. */
export function Setting({
  schema,
  value,
  error,
  onChange,
  label,
}: {
  schema: Schema
  value: Json | undefined
  error?: string
  /** typing: the same edit goes on. */
  onChange: (v: Json | undefined, typing?: boolean) => void
  /** In place of the schema's title. */
  label?: string
}) {
  const s = resolve(flowSchema, schema)
  const types = typesOf(s)
  const item = s.items && resolve(flowSchema, s.items)
  const around = { label: label ?? s.title ?? '', hint: s.description, error }
  const fallback = s.default === undefined ? undefined : String(s.default)
  if (s.enum)
    return (
      <Select {...around} value={value === undefined ? '' : String(value)} onChange={e => onChange(e.target.value || undefined)}>
        <option value="">{fallback === undefined ? 'Not set' : `Default (${fallback})`}</option>
        {s.enum.map(x => (
          <option key={String(x)} value={String(x)}>
            {String(x)}
          </option>
        ))}
      </Select>
    )
  if (types[0] === 'boolean')
    return (
      <Check label={around.label} hint={around.hint} checked={value === true} onChange={e => onChange(e.target.checked || undefined)} />
    )
  if (types[0] === 'integer' || types[0] === 'number')
    return (
      <TextField
        {...around}
        inputMode="decimal"
        placeholder={fallback ?? (s.examples?.[0] === undefined ? undefined : `for example ${String(s.examples[0])}`)}
        value={value === undefined ? '' : String(value)}
        onChange={e => onChange(numeric(e.target.value), true)}
      />
    )
  if (types[0] === 'array' && item?.enum) return <Choices {...around} choices={item.enum.map(String)} value={value} onChange={onChange} />
  if (types[0] === 'array')
    return (
      <TextArea
        {...around}
        rows={2}
        className="font-mono text-[0.8125rem]"
        hint={`${s.description ?? ''} One a line.`}
        value={Array.isArray(value) ? value.map(String).join('\n') : ''}
        onChange={e => onChange(e.target.value === '' ? undefined : e.target.value.split('\n'), true)}
      />
    )
  if (types[0] === 'string')
    return (
      <TextField
        {...around}
        placeholder={fallback ?? (s.examples?.[0] === undefined ? undefined : `for example ${String(s.examples[0])}`)}
        value={typeof value === 'string' ? value : value === undefined ? '' : printJSON(value)}
        onChange={e => onChange(e.target.value || undefined, true)}
      />
    )
  return <AnyValue {...around} value={value} onChange={onChange} />
}

function numeric(text: string): Json | undefined {
  const t = text.trim()
  if (t === '') return undefined
  try {
    return parseJSON(t)
  } catch {
    return t
  }
}

/** Any of a few, by ticking them. */
export function Choices({
  label,
  hint,
  error,
  choices,
  value,
  onChange,
}: {
  label: string
  hint?: string
  error?: string
  choices: string[]
  value: Json | undefined
  onChange: (v: Json | undefined) => void
}) {
  const now = Array.isArray(value) ? value : []
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="mb-1 font-medium text-[0.8125rem] text-ink-2">{label}</legend>
      <div className="flex flex-wrap gap-1.5">
        {choices.map(c => {
          const on = now.some(x => String(x) === c)
          return (
            <button
              key={c}
              type="button"
              aria-pressed={on}
              onClick={() => {
                const next = on ? now.filter(x => String(x) !== c) : [...now, /^\d+$/.test(c) ? Number(c) : c]
                onChange(next.length > 0 ? next : undefined)
              }}
              className="h-8 rounded-lg border border-line-strong bg-surface px-3 text-[0.8125rem] text-ink-2 hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent-soft aria-pressed:font-medium aria-pressed:text-accent-ink"
            >
              {c}
            </button>
          )
        })}
      </div>
      {(error || hint) && (
        <p role={error ? 'alert' : undefined} className={`text-[0.8125rem] ${error ? 'text-bad' : 'text-ink-3'}`}>
          {error || hint}
        </p>
      )}
    </fieldset>
  )
}

/** Any value: an expression that begins with =, JSON, or else a text. */
function AnyValue({
  value,
  onChange,
  ...around
}: {
  label: string
  hint?: string
  error?: string
  value: Json | undefined
  onChange: (v: Json | undefined, typing?: boolean) => void
}) {
  const show = (v: Json | undefined) => (v === undefined ? '' : typeof v === 'string' ? v : printJSON(v, 2))
  const [text, setText] = useState(() => show(value))
  return (
    <TextArea
      {...around}
      rows={3}
      className="font-mono text-[0.8125rem]"
      placeholder={'={"id": steps.create.id}'}
      value={text}
      onChange={e => {
        setText(e.target.value)
        const t = e.target.value
        if (t === '') return onChange(undefined, true)
        let v: Json = t
        if (!t.startsWith('=')) {
          try {
            v = parseJSON(t)
          } catch {
            // A text.
          }
        }
        onChange(v, true)
      }}
    />
  )
}
