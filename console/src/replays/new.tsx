import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Calculator, Play } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { exact } from '../api/client.ts'
import { useFlows } from '../flows/queries.ts'
import { Button } from '../ui/button.tsx'
import { Chip } from '../ui/chip.tsx'
import { Check, Select, TextArea, TextField } from '../ui/field.tsx'
import { Card, Page, Problem } from '../ui/page.tsx'
import { executionFaces } from '../ui/status.tsx'
import { duration, number } from '../ui/time.ts'
import { type Estimate, type Replay, versionsQuery } from './queries.ts'
import { type Form, formOf, requestOf, type Way, wrong } from './request.ts'

const ways: { way: Way; label: string }[] = [
  { way: 'filters', label: 'Time and status' },
  { way: 'sql', label: 'SQL' },
  { way: 'executions', label: 'Execution IDs' },
  { way: 'changed', label: 'Changed in a dry run' },
]

// Hooks that have ended: what is still open has nothing to repeat.
const ended = ['succeeded', 'failed', 'filtered', 'duplicate', 'cancelled'] as const

/** A new replay: which hooks, on what, how; the estimate comes before the start. */
export function NewReplayPage() {
  const [form, setForm] = useState<Form>(() => formOf(location.search))
  const [tried, setTried] = useState(false)
  const navigate = useNavigate()
  const flows = useFlows().data ?? []
  const flow = flows.find(f => f.id === form.flow)
  const versions = useQuery({ ...versionsQuery(form.flow), enabled: form.flow !== '' && flow !== undefined })
  const set = (change: Partial<Form>) => setForm(f => ({ ...f, ...change }))
  const errors = wrong(form)
  const said = tried ? errors : {}
  const body = JSON.stringify(requestOf(form))

  const estimate = useMutation({
    mutationFn: async (raw: string) => (await exact<Estimate>('POST', '/replays/estimate', { raw })).data,
  })
  const start = useMutation({
    mutationFn: async (raw: string) => (await exact<Replay>('POST', '/replays', { raw })).data,
    onSuccess: r => void navigate({ to: `/replays/${r.id}` as never }),
  })
  const ask = () => {
    setTried(true)
    start.reset()
    if (Object.keys(errors).length === 0) estimate.mutate(body)
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: what came with the address is estimated once
  useEffect(() => {
    if (location.search && Object.keys(errors).length === 0) ask()
  }, [])
  const estimated = estimate.variables === body ? estimate.data : undefined

  return (
    <Page title="New replay" about="Choose recorded hooks and what they run on. You see how many they are before anything happens.">
      <form
        noValidate
        className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem]"
        onSubmit={e => {
          e.preventDefault()
          ask()
        }}
      >
        <div className="flex min-w-0 flex-col gap-5">
          <Section title="Which hooks">
            <fieldset aria-label="Select by" className="flex flex-wrap gap-1.5">
              {ways
                .filter(w => w.way !== 'changed' || form.changedIn)
                .map(w => (
                  <Chip key={w.way} on={form.way === w.way} onClick={() => set({ way: w.way })}>
                    {w.label}
                  </Chip>
                ))}
            </fieldset>
            <Select
              label="Flow"
              required={form.way === 'filters' && !form.field}
              error={said.flow}
              hint={form.way !== 'filters' && form.way !== 'changed' ? 'Needed to run on a draft or a version of it.' : undefined}
              value={form.flow}
              onChange={e => set({ flow: e.target.value, version: 'live' })}
            >
              <option value="">
                {form.way === 'filters' ? 'Choose a flow' : form.way === 'changed' ? 'That of the dry run' : 'Any flow'}
              </option>
              {flows.map(f => (
                <option key={f.id} value={f.id}>
                  {f.name || f.id}
                </option>
              ))}
              {form.flow && !flow && <option value={form.flow}>{form.flow}</option>}
            </Select>
            {form.way === 'filters' && <ByFilters form={form} said={said} set={set} />}
            {form.way === 'sql' && (
              <>
                <TextArea
                  label="Statement"
                  required
                  error={said.sql}
                  hint="It gives a column id or execution_id, or columns partition and offset."
                  rows={5}
                  value={form.sql}
                  onChange={e => set({ sql: e.target.value })}
                  className="font-mono text-[0.8125rem]"
                />
                <Field form={form} error={said.field} set={set} />
              </>
            )}
            {form.way === 'executions' && (
              <TextArea
                label="Execution IDs"
                required
                error={said.executions}
                hint="One a line, or with commas."
                rows={5}
                value={form.executions}
                onChange={e => set({ executions: e.target.value })}
                className="font-mono text-[0.8125rem]"
              />
            )}
            {form.way === 'changed' && (
              <p className="text-ink-2">
                The executions that the dry run <code className="break-all">{form.changedIn}</code> found to be otherwise
                {form.group && (
                  <>
                    , of the group <code>{form.group}</code>
                  </>
                )}
                .
              </p>
            )}
          </Section>

          <Section title="How">
            <fieldset className="grid gap-2 sm:grid-cols-2" aria-label="Kind">
              <Choice
                on={form.dryRun}
                onClick={() => set({ dryRun: true })}
                title="Dry run"
                about="Says what would be otherwise. Effects are answered from the record: nothing goes out."
              />
              <Choice
                on={!form.dryRun}
                onClick={() => set({ dryRun: false })}
                title="Replay"
                about="Runs the hooks again, as new executions linked to the old ones. Effects happen."
              />
            </fieldset>
            <div className="grid gap-4 sm:grid-cols-2">
              <Select label="Version" value={form.version} onChange={e => set({ version: e.target.value })}>
                <option value="live">Live{flow?.version ? ` (version ${flow.version})` : ''}</option>
                {(form.flow || form.way === 'changed') && <option value="draft">Draft</option>}
                {versions.data?.map(v => (
                  <option key={v.version} value={String(v.version)}>
                    Version {v.version}
                    {v.note ? `: ${v.note}` : ''}
                  </option>
                ))}
                {!['live', 'draft'].includes(form.version) && !versions.data?.some(v => String(v.version) === form.version) && (
                  <option value={form.version}>Version {form.version}</option>
                )}
              </Select>
              {form.dryRun ? (
                <Select
                  label="Behind a call that is not on record"
                  value={form.answers}
                  onChange={e => set({ answers: e.target.value as Form['answers'] })}
                >
                  <option value="recorded">Go on with what the step gave then</option>
                  <option value="sample">Go on with the step’s sample</option>
                </Select>
              ) : (
                <>
                  <TextField
                    label="Rate"
                    error={said.rate}
                    hint="Hooks a second at most; empty: 100 beside live hooks, and as fast as it goes when none come."
                    inputMode="decimal"
                    value={form.rate}
                    onChange={e => set({ rate: e.target.value })}
                  />
                  <TextField
                    label="Abort after failures"
                    error={said.maxFailures}
                    hint="Gives up when more executions than that failed; empty: never."
                    inputMode="numeric"
                    value={form.maxFailures}
                    onChange={e => set({ maxFailures: e.target.value })}
                  />
                </>
              )}
              <TextField label="Note" hint="What it is for, in the list." value={form.note} onChange={e => set({ note: e.target.value })} />
            </div>
            {!form.dryRun && (
              <Check
                label="Send the original idempotency keys"
                hint="A target that has seen the call then does nothing a second time. By default the keys are new."
                checked={form.sameKeys}
                onChange={e => set({ sameKeys: e.target.checked })}
              />
            )}
          </Section>
        </div>

        <aside className="flex flex-col gap-4 lg:sticky lg:top-6">
          <Card className="flex flex-col gap-3 p-5">
            <h2 className="font-semibold">Estimate</h2>
            {estimated ? (
              <Estimated estimate={estimated} dryRun={form.dryRun} />
            ) : (
              <p className="text-ink-3">Counts the hooks, how long they take and which calls they made. Nothing starts yet.</p>
            )}
            {estimate.isError && estimate.variables === body && <Problem error={estimate.error} />}
            {start.isError && <Problem error={start.error} />}
            <Button
              type="submit"
              look={estimated ? 'plain' : 'primary'}
              busy={estimate.isPending}
              icon={<Calculator aria-hidden className="size-4" />}
            >
              Estimate
            </Button>
            {estimated && (
              <Button
                look="primary"
                disabled={estimated.hooks === 0}
                busy={start.isPending}
                onClick={() => start.mutate(body)}
                icon={<Play aria-hidden className="size-4" />}
              >
                {form.dryRun ? 'Start dry run' : 'Start replay'}
              </Button>
            )}
          </Card>
        </aside>
      </form>
    </Page>
  )
}

type Said = Partial<Record<keyof Form, string>>

function Field({ form, error, set }: { form: Form; error?: string; set: (change: Partial<Form>) => void }) {
  return (
    <TextField
      label="Field of the body"
      error={error}
      placeholder="body.customer.id=42"
      hint="Or body.items[].sku=A1; empty: whatever it says."
      value={form.field}
      onChange={e => set({ field: e.target.value })}
      className="font-mono text-[0.8125rem]"
    />
  )
}

function ByFilters({ form, said, set }: { form: Form; said: Said; set: (change: Partial<Form>) => void }) {
  return (
    <>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="From"
          hint="How long ago, such as 24h, or a time; empty: the first that is kept."
          value={form.from}
          onChange={e => set({ from: e.target.value })}
        />
        <TextField label="Before" hint="Empty: now." value={form.to} onChange={e => set({ to: e.target.value })} />
      </div>
      <fieldset className="flex flex-wrap items-center gap-1.5" aria-label="Status">
        <span aria-hidden className="mr-1 text-[0.8125rem] font-medium text-ink-2">
          Status
        </span>
        {ended.map(s => (
          <Chip
            key={s}
            on={form.status.includes(s)}
            onClick={() => set({ status: form.status.includes(s) ? form.status.filter(x => x !== s) : [...form.status, s] })}
          >
            {executionFaces[s].label}
          </Chip>
        ))}
        {form.status.length === 0 && <span className="ml-1 text-[0.8125rem] text-ink-3">any</span>}
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField label="Text in the body or error" value={form.text} onChange={e => set({ text: e.target.value })} />
        <Field form={form} error={said.field} set={set} />
        <TextField
          label="Offsets"
          placeholder="0:1200-1500"
          hint="Partition and offsets of the topic hooks, with commas."
          value={form.offsets}
          onChange={e => set({ offsets: e.target.value })}
        />
      </div>
      <Check label="Executions of replays and retries too" checked={form.replays} onChange={e => set({ replays: e.target.checked })} />
    </>
  )
}

function Estimated({ estimate: e, dryRun }: { estimate: Estimate; dryRun: boolean }) {
  if (e.hooks === 0) {
    return (
      <p role="status" className="text-ink-2">
        No hook fits. Widen the time, or take a filter away.
      </p>
    )
  }
  return (
    <div role="status" className="flex flex-col gap-2">
      <p>
        <strong className="text-lg font-semibold">{number(e.hooks)}</strong> {e.hooks === 1 ? 'hook' : 'hooks'}, about{' '}
        {duration(Math.max(1000, e.seconds * 1000))}
      </p>
      <p className="text-[0.8125rem] text-ink-3">Read from {e.source === 'hooks' ? 'Kafka’s topic hooks' : 'the history'}.</p>
      {e.effects.length > 0 && (
        <div>
          <p className={dryRun ? 'text-ink-3' : 'font-medium text-warn'}>
            {dryRun ? 'Calls that they made, answered from the record:' : 'Calls that they made, and that may go out again:'}
          </p>
          <ul className="mt-1 flex flex-col gap-0.5">
            {e.effects.map(x => (
              <li key={x.uses} className="flex justify-between gap-3 text-[0.8125rem]">
                <code className="truncate">{x.uses}</code>
                <span className="tabular-nums">{number(x.calls)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card className="flex flex-col gap-4 p-5">
      <h2 className="font-semibold">{title}</h2>
      {children}
    </Card>
  )
}

function Choice({ on, onClick, title, about }: { on: boolean; onClick: () => void; title: string; about: string }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={onClick}
      className={`rounded-xl border px-4 py-3 text-left ${on ? 'border-accent bg-accent-soft' : 'border-line-strong hover:bg-hover'}`}
    >
      <span className={`block font-medium ${on ? 'text-accent-ink' : ''}`}>{title}</span>
      <span className="block text-[0.8125rem] text-ink-2">{about}</span>
    </button>
  )
}
