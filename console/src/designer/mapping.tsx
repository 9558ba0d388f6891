import type { Wrong } from '../flow/check.ts'
import type { Step } from '../flow/document.ts'
import { setInput, setStep } from '../flow/edit.ts'
import { type Json, parseJSON, printJSON } from '../flow/exact.ts'
import { upstream } from '../flow/graph.ts'
import { places } from '../flow/paths.ts'
import { schemaFields } from '../flow/schema.ts'
import { Button } from '../ui/button.tsx'
import { Select, TextArea, TextField } from '../ui/field.tsx'
import { type Connector, findComponent } from './components.ts'
import type { Draft } from './draft.ts'
import { LiveResult } from './live.tsx'

/** What a step's input is made of: a value or an expression for each field, or one expression for all. */
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
  const fields = schemaFields(findComponent(connectors, step.uses)?.input)
  const whole = typeof step.input === 'string' || fields.length === 0
  const offered = [
    ...(doc.trigger.sample === undefined ? [] : places('body', doc.trigger.sample)),
    ...upstream(doc, step.id).flatMap(id => {
      const before = doc.steps.find(s => s.id === id)
      const sample = before?.sample ?? (before && findComponent(connectors, before.uses)?.sample)
      return sample === undefined ? [] : places(/^[A-Za-z_]\w*$/.test(id) ? `steps.${id}` : `steps.\`${id}\``, sample)
    }),
  ]
  const input = typeof step.input === 'object' ? step.input : {}
  // What expressions see: the samples, as JavaScript has them.
  const scope = {
    body: doc.trigger.sample,
    steps: Object.fromEntries(
      upstream(doc, step.id).map(id => {
        const before = doc.steps.find(s => s.id === id)
        return [id, before?.sample ?? (before && findComponent(connectors, before.uses)?.sample)]
      }),
    ),
  }
  const mine = wrong.filter(w => w.at === step.id && w.field !== 'credential')
  return (
    <>
      {whole ? (
        <TextArea
          label="Expression for the whole input"
          className="font-mono"
          rows={6}
          value={typeof step.input === 'string' ? step.input.slice(1) : ''}
          onChange={e => draft.edit('Map', setStep(step.id, 'input', `=${e.target.value}`), true)}
        />
      ) : (
        fields.map(f => {
          const v = input[f.name]
          const shown = v === undefined ? '' : typeof v === 'string' ? v : printJSON(v)
          return (
            <div key={f.name} className="grid items-start gap-2 sm:grid-cols-2">
              <TextField
                label={f.title}
                required={f.required}
                value={shown}
                hint={f.about ?? f.kind}
                error={v === undefined ? '' : mine.find(w => w.field === f.name)?.message}
                onChange={e => draft.edit(`Map ${f.title}`, setInput(step.id, f.name, typed(e.target.value, f.kind)), true)}
              />
              <Select
                label={`Value for ${f.title}`}
                value={shown}
                onChange={e => draft.edit(`Map ${f.title}`, setInput(step.id, f.name, e.target.value || undefined))}
              >
                <option value="">From the sample…</option>
                {offered.map(o => (
                  <option key={o.path} value={`=${o.path}`}>
                    {o.path} ({o.shown})
                  </option>
                ))}
                {shown && !offered.some(o => `=${o.path}` === shown) && <option value={shown}>{shown}</option>}
              </Select>
              {typeof v === 'string' && v.startsWith('=') && <LiveResult expression={v.slice(1)} scope={scope} />}
            </div>
          )
        })
      )}
      {whole && typeof step.input === 'string' && <LiveResult expression={step.input.slice(1)} scope={scope} />}
      <div className="flex gap-2">
        <Button look="primary" disabled={mine.length > 0} onClick={next}>
          Continue
        </Button>
        {fields.length > 0 && !whole && (
          <Button look="quiet" onClick={() => draft.edit('One expression', setStep(step.id, 'input', '={}'))}>
            One expression for all
          </Button>
        )}
      </div>
    </>
  )
}

function typed(text: string, kind: string): Json | undefined {
  if (text === '') return undefined
  if (text.startsWith('=') || kind.includes('text')) return text
  try {
    return parseJSON(text)
  } catch {
    return text
  }
}
