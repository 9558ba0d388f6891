import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { useCredentials } from '../credentials/queries.ts'
import { savedQueries } from '../sql/saved.tsx'
import type { Result } from '../sql/shape.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Select, TextField } from '../ui/field.tsx'
import { Problem } from '../ui/page.tsx'
import { type Alert, type Comparison, comparisons, type Destination, everyInWords, passes, type Rule, ruleOf, watched } from './queries.ts'

const words: Record<Comparison, string> = {
  '>': 'is above',
  '>=': 'is at least',
  '<': 'is below',
  '<=': 'is at most',
  '=': 'is exactly',
  '!=': 'is other than',
}
const often = ['10s', '30s', '1m0s', '5m0s', '15m0s', '1h0m0s', '24h0m0s']
const types: [Destination['type'], string][] = [
  ['webhook', 'Webhook'],
  ['slack', 'Slack'],
  ['email', 'E-mail'],
]

/** Makes or changes an alert; says what the query gives now, and whether that would open it. */
export function AlertDialog({ alert, query, onClose, onDone }: { alert?: Alert; query?: string; onClose: () => void; onDone: () => void }) {
  const saved = useQuery(savedQueries)
  const credentials = useCredentials().data?.filter(c => c.uses === 'email') ?? []
  const [rule, setRule] = useState<Rule>(
    () =>
      (alert && ruleOf(alert)) ?? {
        name: '',
        query: query ?? '',
        when: '>',
        threshold: 0,
        every: '1m0s',
        destination: { type: 'webhook', url: '' },
      },
  )
  const [threshold, setThreshold] = useState(String(rule.threshold))
  const [to, setTo] = useState(rule.destination.to?.join(', ') ?? '')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const set = (change: Partial<Rule>) => setRule({ ...rule, ...change })
  const aim = (change: Partial<Destination>) => set({ destination: { ...rule.destination, ...change } })
  const now = useQuery({
    queryKey: ['query-value', rule.query],
    queryFn: async ({ signal }) =>
      watched((await exact<Result>('POST', `/queries/${encodeURIComponent(rule.query)}/run`, { signal })).data.rows as never),
    enabled: rule.query !== '',
    retry: false,
  })
  const limit = Number(threshold)
  const d = rule.destination
  const aimed = d.type === 'email' ? to.trim() !== '' : /^https?:\/\/.+/.test(d.url ?? '')
  const ready = rule.query !== '' && threshold.trim() !== '' && Number.isFinite(limit) && aimed
  const submit = async () => {
    setBusy(true)
    const destination: Destination =
      d.type === 'email'
        ? { type: 'email', credential: d.credential || undefined, to: to.split(/[,\s]+/).filter(Boolean) }
        : { type: d.type, url: d.url }
    const body = { ...rule, name: rule.name?.trim() || undefined, threshold: limit, destination }
    try {
      if (alert) await exact('PUT', `/alerts/${encodeURIComponent(alert.id)}`, { body })
      else await exact('POST', '/alerts', { body })
      onDone()
    } catch (e) {
      setError(e)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title={alert ? 'Edit alert' : 'New alert'}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={busy} disabled={!ready} onClick={() => void submit()}>
            Save
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Select label="Saved query" required value={rule.query} onChange={e => set({ query: e.target.value })}>
          <option value="">Choose…</option>
          {saved.data?.map(q => (
            <option key={q.id} value={q.id}>
              {q.name}
            </option>
          ))}
        </Select>
        {saved.data?.length === 0 && (
          <p className="-mt-2 text-[0.8125rem] text-ink-3">
            There is none yet:{' '}
            <Link to="/sql" className="text-accent-ink underline">
              save one on the SQL page
            </Link>
            , whose first number is what you watch.
          </p>
        )}
        <div className="grid grid-cols-2 gap-3 sm:grid-cols-3">
          <Select label="Its value" value={rule.when} onChange={e => set({ when: e.target.value as Comparison })}>
            {comparisons.map(c => (
              <option key={c} value={c}>
                {words[c]}
              </option>
            ))}
          </Select>
          <TextField label="Threshold" required inputMode="decimal" value={threshold} onChange={e => setThreshold(e.target.value)} />
          <Select label="Asked every" value={rule.every ?? '1m0s'} onChange={e => set({ every: e.target.value })}>
            {[...new Set([...often, rule.every ?? '1m0s'])].map(x => (
              <option key={x} value={x}>
                {everyInWords(x)}
              </option>
            ))}
          </Select>
        </div>
        {rule.query && (
          <p role="status" className="-mt-1 rounded-lg bg-sunken px-3 py-2 text-[0.8125rem]">
            {now.isPending ? (
              'Asking the query…'
            ) : now.isError ? (
              <span className="text-bad">{now.error.message}</span>
            ) : now.data === undefined ? (
              <span className="text-bad">The first row has no number: let the query select one.</span>
            ) : (
              <>
                It is <strong className="font-mono font-semibold">{now.data}</strong> now:{' '}
                {passes(now.data, rule.when, limit) ? (
                  <span className="text-bad">the alert would open</span>
                ) : (
                  <span className="text-good">nothing to tell</span>
                )}
              </>
            )}
          </p>
        )}
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1 font-medium text-[0.8125rem] text-ink-2">Tell by</legend>
          <div className="flex self-start rounded-lg border border-line bg-sunken p-0.5">
            {types.map(([t, label]) => (
              <button
                key={t}
                type="button"
                aria-pressed={d.type === t}
                onClick={() => set({ destination: { ...d, type: t } })}
                className="rounded-md px-3 py-1 text-[0.8125rem] text-ink-2 aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-ink aria-pressed:shadow-card"
              >
                {label}
              </button>
            ))}
          </div>
          {d.type === 'email' ? (
            <>
              <TextField
                label="To"
                required
                value={to}
                placeholder="ops@example.com"
                hint="Several with commas between"
                onChange={e => setTo(e.target.value)}
              />
              <Select
                label="Mail server"
                value={d.credential ?? ''}
                hint={credentials.length === 0 ? 'Make a credential of E-mail first, on the Credentials page' : undefined}
                onChange={e => aim({ credential: e.target.value || undefined })}
              >
                <option value="">Choose…</option>
                {credentials.map(c => (
                  <option key={c.id} value={c.id}>
                    {c.name || c.id}
                  </option>
                ))}
              </Select>
            </>
          ) : (
            <TextField
              label={d.type === 'slack' ? 'Incoming webhook of Slack' : 'URL'}
              required
              type="url"
              value={d.url ?? ''}
              placeholder={d.type === 'slack' ? 'https://hooks.slack.com/services/…' : 'https://example.com/alerts'}
              hint={alert ? 'Only its host is shown; leave it to keep the address' : 'Kept as a secret: it is not shown again'}
              onChange={e => aim({ url: e.target.value })}
            />
          )}
        </fieldset>
        <TextField
          label="Name"
          maxLength={200}
          value={rule.name ?? ''}
          placeholder="The query's name"
          onChange={e => set({ name: e.target.value })}
        />
        {error !== undefined && <Problem error={error} />}
      </div>
    </Dialog>
  )
}
