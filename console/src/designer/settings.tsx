import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Wrong } from '../flow/check.ts'
import type { Step } from '../flow/document.ts'
import { FLOW, setAfter, setStep, setWithin } from '../flow/edit.ts'
import type { Json } from '../flow/exact.ts'
import { mayFollow, parents, TRIGGER } from '../flow/graph.ts'
import { type Schema, schemaFields } from '../flow/schema.ts'
import { scopeOf } from '../flow/scope.ts'
import { resolve } from '../flow/validate.ts'
import { Select } from '../ui/field.tsx'
import { type Connector, findComponent } from './components.ts'
import type { Draft } from './draft.ts'
import { Expression } from './expression.tsx'
import { titleOf } from './faces.ts'
import { flowSchema } from './schema.ts'
import { Choices, Setting } from './setting.tsx'

interface Shown {
  draft: Draft
  wrong: Wrong[]
  connectors: Connector[]
}

const defs = flowSchema.$defs!

/** The schema of a path such as retry/attempts within one of a step, the trigger or the flow. */
function schemaAt(from: Schema, path: string): Schema {
  return path.split('/').reduce<Schema>((s, name) => resolve(flowSchema, s).properties?.[name] ?? {}, from)
}

function valueAt(from: object, path: string): Json | undefined {
  return path
    .split('/')
    .reduce<Json | undefined>((v, name) => (v as { [key: string]: Json } | undefined)?.[name], from as { [key: string]: Json })
}

/** Fields by their paths, one below the other. */
function Fields({ draft, wrong, at, paths }: { draft: Draft; wrong: Wrong[]; at: string; paths: string[] }) {
  const doc = draft.doc
  const [schema, owner, prefix] =
    at === FLOW
      ? [flowSchema, doc, 'flow/']
      : at === TRIGGER
        ? [defs.trigger!, doc.trigger, '']
        : [defs.step!, doc.steps.find(s => s.id === at)!, '']
  return paths.map(path => {
    const s = schemaAt(schema, path)
    return (
      <Setting
        key={path}
        schema={s}
        value={valueAt(owner, path)}
        error={faultAt(wrong, at === FLOW ? TRIGGER : at, prefix + path)}
        onChange={(v, typing) => draft.edit(`Set ${resolve(flowSchema, s).title ?? path}`, setWithin(at, path, v), typing)}
      />
    )
  })
}

const faultAt = (wrong: Wrong[], at: string, path: string) =>
  wrong.find(w => w.at === at && w.setting !== undefined && (w.setting === path || w.setting.startsWith(`${path}/`)))?.message

function Section({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-4 border-line border-t pt-4 first:border-t-0 first:pt-0">
      <header>
        <h3 className="font-semibold">{title}</h3>
        {about && <p className="text-[0.8125rem] text-ink-3">{about}</p>}
      </header>
      {children}
    </section>
  )
}

/** A few ways, one of which holds. */
function Ways<W extends string>({
  label,
  hideLabel,
  ways,
  value,
  onChange,
}: {
  label: string
  hideLabel?: boolean
  ways: [W, string][]
  value: W
  onChange: (w: W) => void
}) {
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className={hideLabel ? 'sr-only' : 'mb-1 font-medium text-[0.8125rem] text-ink-2'}>{label}</legend>
      <div className="flex self-start rounded-lg border border-line bg-sunken p-0.5">
        {ways.map(([w, text]) => (
          <button
            key={w}
            type="button"
            aria-pressed={w === value}
            onClick={() => w !== value && onChange(w)}
            className="rounded-md px-3 py-1 text-[0.8125rem] text-ink-2 aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-ink aria-pressed:shadow-card"
          >
            {text}
          </button>
        ))}
      </div>
    </fieldset>
  )
}

/** When a step runs, how often, how long, and what its failure means. */
export function StepSettings({ draft, step, wrong, connectors }: Shown & { step: Step }) {
  const doc = draft.doc
  const scope = scopeOf(doc, step.id, s => s.sample ?? findComponent(connectors, s.uses)?.sample)
  const set = (path: string, v: Json | undefined, typing = false) => draft.edit(`Set ${path}`, setWithin(step.id, path, v), typing)
  const condition = step.otherwise ? 'otherwise' : step.when !== undefined ? 'when' : 'always'
  const fields = (...paths: string[]) => <Fields draft={draft} wrong={wrong} at={step.id} paths={paths} />
  return (
    <>
      <Section title="When it runs">
        <After draft={draft} step={step} connectors={connectors} error={faultAt(wrong, step.id, 'after')} />
        <Select
          label="After what"
          value={step.on ?? 'success'}
          onChange={e => set('on', e.target.value === 'success' ? undefined : e.target.value)}
        >
          <option value="success">After success</option>
          <option value="failure">After failure: an error handler</option>
          <option value="always">After either</option>
        </Select>
        <Ways
          label="Condition"
          ways={[
            ['always', 'None'],
            ['when', 'When'],
            ['otherwise', 'Otherwise'],
          ]}
          value={condition}
          onChange={way => {
            const { when: _, otherwise: __, ...rest } = step
            const next: Step = way === 'when' ? { ...rest, when: '=' } : way === 'otherwise' ? { ...rest, otherwise: true } : rest
            draft.edit('Set condition', d => ({ ...d, steps: d.steps.map(s => (s.id === step.id ? next : s)) }))
          }}
        />
        {condition === 'when' && (
          <Expression
            label="When"
            value={(step.when ?? '').replace(/^=/, '')}
            scope={scope}
            hint="The step runs where this is true. Every branch whose condition holds runs."
            error={faultAt(wrong, step.id, 'when')}
            onChange={e => set('when', `=${e}`, true)}
          />
        )}
        {condition === 'otherwise' && (
          <p className={`text-[0.8125rem] ${faultAt(wrong, step.id, 'otherwise') ? 'text-bad' : 'text-ink-3'}`}>
            {faultAt(wrong, step.id, 'otherwise') ?? 'It runs where none of the branches beside it did.'}
          </p>
        )}
      </Section>
      <Section title="For each element" about="The step runs once for each element of a list, and gives the list of what came out.">
        <Ways
          label="Runs"
          hideLabel
          ways={[
            ['once', 'Once'],
            ['each', 'For each'],
          ]}
          value={step.each === undefined ? 'once' : 'each'}
          onChange={way =>
            draft.edit('Set each', d =>
              setStep(step.id, 'each', way === 'each' ? '=' : undefined)(setStep(step.id, 'concurrency', undefined)(d)),
            )
          }
        />
        {step.each !== undefined && (
          <>
            <Expression
              label="List"
              value={step.each.replace(/^=/, '')}
              scope={scope}
              hint="Within the step an element is item, and its number is index."
              error={faultAt(wrong, step.id, 'each')}
              onChange={e => set('each', `=${e}`, true)}
            />
            {fields('concurrency')}
          </>
        )}
      </Section>
      <Section title="Time and failure">
        {fields('timeout')}
        <div className="grid gap-4 sm:grid-cols-2">
          {fields('retry/attempts', 'retry/initial', 'retry/factor', 'retry/max', 'retry/jitter', 'retry/maxAge')}
        </div>
        <Choices
          label="Tried again after"
          hint="What a failure has to be. What the component says when none is chosen."
          error={faultAt(wrong, step.id, 'retry/on')}
          choices={retryChoices(step.retry?.on)}
          value={step.retry?.on}
          onChange={v => set('retry/on', v)}
        />
        {fields('onUnknown')}
      </Section>
    </>
  )
}

const usual = ['network', 'timeout', '408', '429', '4xx', '5xx']
const retryChoices = (on: Json | undefined) => [...new Set([...usual, ...(Array.isArray(on) ? on.map(String) : [])])]

/** The steps that a step runs after. */
function After({ draft, step, connectors, error }: { draft: Draft; step: Step; connectors: Connector[]; error?: string }) {
  const doc = draft.doc
  const now = parents(doc).get(step.id) ?? []
  const name = (id: string) => {
    const s = doc.steps.find(x => x.id === id)
    return s ? titleOf(s, connectors) : id
  }
  const more = mayFollow(doc, step.id).filter(id => !now.includes(id))
  const change = (after: string[]) => draft.edit('Set after', setAfter(step.id, after))
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className="mb-1 font-medium text-[0.8125rem] text-ink-2">Runs after</legend>
      <div className="flex flex-col gap-2">
        <ul className="flex flex-wrap gap-1.5">
          {now.length === 0 && <li className="rounded-lg bg-calm-soft px-2.5 py-1 text-calm">The beginning of the flow</li>}
          {now.map(id => (
            <li key={id} className="flex items-center gap-1 rounded-lg bg-accent-soft py-1 pr-1 pl-2.5 text-accent-ink">
              {name(id)}
              <button
                type="button"
                aria-label={`Not after ${name(id)}`}
                onClick={() => change(now.filter(x => x !== id))}
                className="rounded p-0.5 hover:bg-surface"
              >
                <X aria-hidden className="size-3.5" />
              </button>
            </li>
          ))}
        </ul>
        {more.length > 0 && (
          <Select label="Runs after also" hideLabel value="" onChange={e => change([...now, e.target.value])}>
            <option value="">{now.length > 0 ? 'And after…' : 'After a step…'}</option>
            {more.map(id => (
              <option key={id} value={id}>
                {name(id)}
              </option>
            ))}
          </Select>
        )}
      </div>
      <p role={error ? 'alert' : undefined} className={`text-[0.8125rem] ${error ? 'text-bad' : 'text-ink-3'}`}>
        {error || (now.length > 1 ? 'It waits for all of them: branches meet here.' : 'Several make a join.')}
      </p>
    </fieldset>
  )
}

/** What a trigger takes and answers, and how the flow's executions run. */
export function TriggerSettings({ draft, wrong, connectors }: Shown) {
  const doc = draft.doc
  const webhook = doc.trigger.uses === 'webhook/receive'
  const scope = scopeOf(doc, TRIGGER, s => s.sample ?? findComponent(connectors, s.uses)?.sample)
  const order = isMap(doc.order) ? 'key' : doc.order === 'flow' ? 'flow' : 'none'
  const dedupe = isMap(doc.dedupe) ? doc.dedupe : undefined
  const by = dedupe === undefined ? 'off' : typeof dedupe.key === 'string' ? 'key' : 'preset'
  const set = (path: string, v: Json | undefined, typing = false) => draft.edit(`Set ${path}`, setWithin(FLOW, path, v), typing)
  const trigger = (...paths: string[]) => <Fields draft={draft} wrong={wrong} at={TRIGGER} paths={paths} />
  const flow = (...paths: string[]) => <Fields draft={draft} wrong={wrong} at={FLOW} paths={paths} />
  return (
    <>
      {webhook && (
        <>
          <Section title="What it takes">{trigger('methods', 'raw', 'origins')}</Section>
          <Section title="What the sender is answered">
            <div className="grid gap-4 sm:grid-cols-2">{trigger('respond/when', 'respond/status')}</div>
            {trigger('respond/contentType', 'respond/body')}
            <h4 className="font-medium">When the execution fails</h4>
            {trigger('respond/onFailure/status', 'respond/onFailure/contentType', 'respond/onFailure/body')}
          </Section>
        </>
      )}
      <Section title="Order" about="Which executions wait for one another.">
        <Ways
          label="Order"
          hideLabel
          ways={[
            ['none', 'None'],
            ['flow', 'One by one'],
            ['key', 'By key'],
          ]}
          value={order}
          onChange={w => draft.edit('Set order', setWithin(FLOW, 'order', w === 'none' ? undefined : w === 'flow' ? 'flow' : { key: '=' }))}
        />
        {order === 'key' && (
          <Expression
            label="Key"
            value={String((doc.order as { key?: Json }).key ?? '').replace(/^=/, '')}
            scope={scope}
            hint="Executions with the same key run one after the other; one that retries holds only its own key."
            error={faultAt(wrong, TRIGGER, 'flow/order')}
            onChange={e => set('order/key', `=${e}`, true)}
          />
        )}
      </Section>
      <Section title="Duplicates" about="Of the deliveries of one event the first runs; the others are recorded, and answered as it was.">
        <Ways
          label="Dedupe"
          hideLabel
          ways={[
            ['off', 'Off'],
            ['preset', 'By the provider’s ID'],
            ['key', 'By a key'],
          ]}
          value={by}
          onChange={w => {
            const window = dedupe?.window === undefined ? {} : { window: dedupe.window }
            const next = w === 'off' ? undefined : w === 'key' ? { key: '=', ...window } : { window: '24h', ...window }
            draft.edit('Set dedupe', setWithin(FLOW, 'dedupe', next as Json | undefined))
          }}
        />
        {by === 'key' && (
          <Expression
            label="Key of the event"
            value={String(dedupe?.key ?? '').replace(/^=/, '')}
            scope={scope}
            error={faultAt(wrong, TRIGGER, 'flow/dedupe/key')}
            onChange={e => set('dedupe/key', `=${e}`, true)}
          />
        )}
        {by === 'preset' && flow('dedupe/preset')}
        {by !== 'off' && flow('dedupe/window')}
      </Section>
      <Section title="Volume">
        <div className="grid gap-4 sm:grid-cols-2">{flow('concurrency', 'rate', 'shards', 'timeout', 'retention')}</div>
        {flow('erasable')}
      </Section>
      <Section title="Note on the flow">{flow('note')}</Section>
    </>
  )
}

const isMap = (v: unknown): v is { [key: string]: Json } => v !== null && typeof v === 'object' && !Array.isArray(v)

/** What a trigger other than a webhook needs, such as the times of a schedule. */
export function TriggerInput({ draft, wrong, connectors }: Shown) {
  const doc = draft.doc
  const input = isMap(doc.trigger.input) ? doc.trigger.input : {}
  return schemaFields(findComponent(connectors, doc.trigger.uses)?.input).map(f => (
    <Setting
      key={f.name}
      label={f.required ? `${f.title} (needed)` : f.title}
      schema={f.schema}
      value={input[f.name]}
      error={input[f.name] === undefined ? '' : wrong.find(w => w.at === TRIGGER && w.field === f.name)?.message}
      onChange={(v, typing) => draft.edit(`Set ${f.title}`, setWithin(TRIGGER, `input/${f.name}`, v), typing)}
    />
  ))
}
