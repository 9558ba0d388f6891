import { useState } from 'react'
import { isExpression, type Wrong } from '../flow/check.ts'
import type { Step } from '../flow/document.ts'
import { setInput, setStep } from '../flow/edit.ts'
import { Exact, type Json, parseJSON, printJSON } from '../flow/exact.ts'
import { upstream } from '../flow/graph.ts'
import { places, within } from '../flow/paths.ts'
import { type SchemaField, schemaFields, typesOf } from '../flow/schema.ts'
import { type Scope, scopeOf } from '../flow/scope.ts'
import { Button } from '../ui/button.tsx'
import { Select, TextArea, TextField } from '../ui/field.tsx'
import { tell } from '../ui/toast.tsx'
import { type Connector, findComponent } from './components.ts'
import type { Draft } from './draft.ts'
import { Expression, useResult } from './expression.tsx'

type Mode = 'sample' | 'expression' | 'value'

interface Offered {
  source: string
  places: { path: string; shown: string }[]
}

/**
 * What a step's input is made of: for each field a value of the sample, an
 * expression or a fixed value, or one expression for all.
 */
export function Mapping({
  draft,
  step,
  connectors,
  wrong,
  next,
}: {
  draft: Draft
  step: Step
  connectors: Connector[]
  wrong: Wrong[]
  next: () => void
}) {
  const doc = draft.doc
  const sampleOf = (s: Step) => s.sample ?? findComponent(connectors, s.uses)?.sample
  const titleOf = (s: Step) => s.name || findComponent(connectors, s.uses)?.title || s.id
  const fields = schemaFields(findComponent(connectors, step.uses)?.input)
  const whole = typeof step.input === 'string' || fields.length === 0
  const scope = scopeOf(doc, step.id, sampleOf)
  const offered: Offered[] = [
    ...(scope.item === undefined || !step.each ? [] : [{ source: 'This round', places: places('item', scope.item) }]),
    ...(doc.trigger.sample === undefined
      ? []
      : [{ source: doc.trigger.name || 'What was sent', places: places('body', doc.trigger.sample) }]),
    ...upstream(doc, step.id).flatMap(id => {
      const before = doc.steps.find(s => s.id === id)
      const sample = before && sampleOf(before)
      return sample === undefined ? [] : [{ source: titleOf(before!), places: places(within('steps', id), sample) }]
    }),
  ]
  const input = typeof step.input === 'object' ? step.input : {}
  const mine = wrong.filter(w => w.at === step.id && w.field !== 'credential' && w.setting === undefined)
  return (
    <>
      {fields.length > 0 && (
        <fieldset className="flex self-start rounded-lg border border-line bg-sunken p-0.5">
          <legend className="sr-only">How the input is made</legend>
          {(
            [
              ['Field by field', false],
              ['One expression', true],
            ] as const
          ).map(([label, is]) => (
            <button
              key={label}
              type="button"
              aria-pressed={whole === is}
              onClick={() => {
                if (whole === is) return
                draft.edit(label, setStep(step.id, 'input', is ? `=${asExpression(input)}` : undefined))
                if (!is) tell('The fields are empty again', { label: 'Undo', run: draft.undo })
              }}
              className="rounded-md px-3 py-1 text-[0.8125rem] text-ink-2 aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-ink aria-pressed:shadow-card"
            >
              {label}
            </button>
          ))}
        </fieldset>
      )}
      {whole ? (
        <Expression
          label="Expression for the whole input"
          tall
          value={typeof step.input === 'string' ? step.input.slice(1) : ''}
          scope={scope}
          hint="An object with the fields of the input. Ctrl+Space offers what there is."
          onChange={e => draft.edit('Map', setStep(step.id, 'input', `=${e}`), true)}
        />
      ) : (
        <div className="flex flex-col gap-4">
          {fields.map(f => (
            <FieldMapping
              key={f.name}
              field={f}
              value={input[f.name]}
              offered={offered}
              scope={scope}
              error={input[f.name] === undefined ? '' : (mine.find(w => w.field === f.name)?.message ?? '')}
              onChange={(v, typing) => draft.edit(`Map ${f.title}`, setInput(step.id, f.name, v), typing)}
            />
          ))}
        </div>
      )}
      <div>
        <Button look="primary" disabled={mine.length > 0} onClick={next}>
          Continue
        </Button>
      </div>
    </>
  )
}

const modes: [Mode, string, string][] = [
  ['sample', 'Sample', 'choose from the sample'],
  ['expression', 'Expression', 'write an expression'],
  ['value', 'Fixed', 'a fixed value'],
]

function FieldMapping({
  field: f,
  value,
  offered,
  scope,
  error,
  onChange,
}: {
  field: SchemaField
  value: Json | undefined
  offered: Offered[]
  scope: Scope
  error: string
  onChange: (v: Json | undefined, typing?: boolean) => void
}) {
  const chosen = isExpression(value) ? value : ''
  const known = offered.some(o => o.places.some(p => `=${p.path}` === chosen))
  const natural: Mode =
    value === undefined ? (offered.length > 0 ? 'sample' : 'value') : chosen ? (known ? 'sample' : 'expression') : 'value'
  const [picked, setPicked] = useState<Mode>()
  const mode = picked ?? natural
  return (
    <fieldset className="flex min-w-0 flex-col gap-1.5">
      <legend className="sr-only">{f.title}</legend>
      <div className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1">
        <span className="text-[0.8125rem]">
          <span className="font-medium text-ink-2">{f.title}</span>
          {f.required && (
            <span className="ml-0.5 text-bad" title="required">
              *
            </span>
          )}
          <span className="ml-2 text-ink-3 text-xs">{f.kind}</span>
        </span>
        <span className="flex gap-px rounded-md bg-sunken p-0.5">
          {modes.map(([m, label, about]) => (
            <button
              key={m}
              type="button"
              aria-pressed={mode === m}
              aria-label={`${f.title}: ${about}`}
              onClick={() => setPicked(m)}
              className="rounded px-2 py-px text-ink-3 text-xs hover:text-ink aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-accent-ink aria-pressed:shadow-card"
            >
              {label}
            </button>
          ))}
        </span>
      </div>
      {mode === 'sample' && (
        <>
          <Select
            label={`Value for ${f.title}`}
            hideLabel
            value={chosen}
            error={error && !chosen ? error : ''}
            onChange={e => onChange(e.target.value || undefined)}
          >
            <option value="">
              {offered.length > 0 ? 'Choose from the sample…' : 'No sample yet: the webhook or the step before has none'}
            </option>
            {offered.map(o => (
              <optgroup key={o.source} label={o.source}>
                {o.places.map(p => (
                  <option key={p.path} value={`=${p.path}`}>
                    {p.path} ({p.shown})
                  </option>
                ))}
              </optgroup>
            ))}
            {chosen && !known && <option value={chosen}>{chosen.slice(1)}</option>}
          </Select>
          {chosen && <Preview field={f} expression={chosen.slice(1)} scope={scope} />}
        </>
      )}
      {mode === 'expression' && (
        <Expression
          label={f.title}
          hideLabel
          value={chosen.slice(1)}
          scope={scope}
          fault={f.fault}
          error={error}
          onChange={e => onChange(`=${e}`, true)}
        />
      )}
      {mode === 'value' && <Fixed field={f} value={chosen ? undefined : value} error={error} onChange={onChange} />}
      {f.about && <p className="text-[0.8125rem] text-ink-3">{f.about}</p>}
    </fieldset>
  )
}

/** What a chosen place of the sample gives, and whether that fits. */
function Preview({ field, expression, scope }: { field: SchemaField; expression: string; scope: Scope }) {
  const result = useResult(expression, scope)
  if (!result) return null
  const misfit = 'value' in result ? field.fault(result.value) : ''
  const text = 'error' in result ? result.error : 'nothing' in result ? 'Nothing: the sample has no such value' : printJSON(result.value)
  const bad = !('value' in result) || misfit
  return (
    <output className={`flex min-w-0 gap-2 text-[0.8125rem] ${bad ? 'text-bad' : 'text-good'}`}>
      <span aria-hidden>{bad ? '✕' : '→'}</span>
      <code className="truncate" title={text}>
        {text}
      </code>
      {misfit && <span className="shrink-0">{misfit}</span>}
    </output>
  )
}

function Fixed({
  field: f,
  value,
  error,
  onChange,
}: {
  field: SchemaField
  value: Json | undefined
  error: string
  onChange: (v: Json | undefined, typing?: boolean) => void
}) {
  const shown = value === undefined ? '' : typeof value === 'string' ? value.replace(/^\\=/, '=') : printJSON(value, 2)
  const types = typesOf(f.schema)
  const around = { label: f.title, hideLabel: true, error, value: shown }
  const list = f.schema.enum ?? (types.length === 1 && types[0] === 'boolean' ? [true, false] : undefined)
  if (list)
    return (
      <Select {...around} onChange={e => onChange(list.find(x => String(x) === e.target.value))}>
        <option value="">Choose…</option>
        {list.map(x => (
          <option key={String(x)} value={String(x)}>
            {String(x)}
          </option>
        ))}
      </Select>
    )
  const change = (text: string) => onChange(typed(text, f.kind), true)
  const long = types.length === 0 || types.some(t => t === 'object' || t === 'array')
  return long ? (
    <TextArea
      {...around}
      rows={Math.min(12, Math.max(3, shown.split('\n').length))}
      className="font-mono text-[0.8125rem]"
      placeholder="JSON or text"
      onChange={e => change(e.target.value)}
    />
  ) : (
    <TextField
      {...around}
      inputMode={types.some(t => t === 'integer' || t === 'number') ? 'decimal' : undefined}
      onChange={e => change(e.target.value)}
    />
  )
}

/** What was typed as a value: a text that begins with = stays one (\=). */
export function typed(text: string, kind: string): Json | undefined {
  if (text === '') return undefined
  const asText = text.startsWith('=') ? `\\${text}` : text
  if (kind.includes('text')) return asText
  try {
    return parseJSON(text)
  } catch {
    return asText
  }
}

/** The fields of an input as one JSONata object. */
export function asExpression(v: Json): string {
  if (typeof v === 'string') return v.startsWith('=') ? v.slice(1) : JSON.stringify(v.replace(/^\\=/, '='))
  if (Array.isArray(v)) return `[${v.map(asExpression).join(', ')}]`
  if (v !== null && typeof v === 'object' && !(v instanceof Exact)) {
    const parts = Object.entries(v).map(([k, x]) => `  ${JSON.stringify(k)}: ${asExpression(x).replaceAll('\n', '\n  ')}`)
    return parts.length === 0 ? '{}' : `{\n${parts.join(',\n')}\n}`
  }
  return printJSON(v)
}
