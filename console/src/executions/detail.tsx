import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Ban, GitCompareArrows, Pencil, RotateCw } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { api, exact, isAway } from '../api/client.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { JsonError, parseJSON, printJSON } from '../flow/exact.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextArea, TextField } from '../ui/field.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { ExecutionBadge, StepBadge } from '../ui/status.tsx'
import { bytes, duration, fullTime } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { curlOf } from './curl.ts'
import { type GraphStep, OutcomeGraph } from './graph.tsx'
import { start } from './layout.ts'
import { executionQuery, flowQuery, versionQuery } from './queries.ts'
import { Timeline } from './timeline.tsx'
import { type ExecutionDetail, type ExecutionStep, isOpen } from './types.ts'

export function ExecutionScreen() {
  const { id } = useParams({ strict: false }) as { id: string }
  const found = useQuery({
    ...executionQuery(id),
    retry: (n, e) => n < 6 && (isAway(e) || (e as { status?: number }).status === 404),
    retryDelay: 500,
  })
  if (found.isPending) {
    return (
      <Page title="Execution">
        <Loading />
      </Page>
    )
  }
  if (found.isError) {
    return (
      <Page title="Execution">
        <Problem error={found.error} retry={() => void found.refetch()} />
        <Link to={'/executions' as never} className="text-accent-ink underline">
          Back to the run log
        </Link>
      </Page>
    )
  }
  return <Detail x={found.data} key={found.data.id} />
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-ink-3">{label}</dt>
      <dd className="truncate">{children}</dd>
    </div>
  )
}

/** How each step of the graph ended; of several iterations, the worst. */
export function outcomes(x: ExecutionDetail): Map<string, GraphStep> {
  const worst = ['failed', 'retrying', 'cancelled', 'succeeded', 'skipped']
  const out = new Map<string, GraphStep>()
  for (const s of x.steps) {
    const before = out.get(s.id)
    const status = before && worst.indexOf(before.status) <= worst.indexOf(s.status) ? before.status : s.status
    out.set(s.id, {
      status,
      durationMs: (before?.durationMs ?? 0) + s.attempts.reduce((n, a) => n + a.durationMs, 0),
      attempt: Math.max(before?.attempt ?? 0, s.attempt),
    })
  }
  return out
}

function Detail({ x }: { x: ExecutionDetail }) {
  const version = useQuery(versionQuery(x.flow, x.version))
  const flow = useQuery(flowQuery(x.flow))
  const name = flow.data?.name || x.flow
  const firstFailed = x.steps.find(s => s.status === 'failed' || s.status === 'retrying')?.id
  const [chosen, setChosen] = useState(firstFailed ?? x.steps.find(s => s.attempt > 0)?.id ?? start)
  const [dialog, setDialog] = useState<'edit' | 'compare' | 'cancel' | null>(null)
  const [tab, setTab] = useState<'graph' | 'timeline'>('graph')
  const navigate = useNavigate()
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)

  const retry = async () => {
    setBusy(true)
    try {
      const { data } = await exact<{ id: string }>('POST', `/executions/${x.id}/retry`)
      tell('Sent in again as a new execution')
      await navigate({ to: `/executions/${data.id}` as never })
    } catch (e) {
      tellError(e)
    } finally {
      setBusy(false)
    }
  }
  const cancel = async () => {
    setDialog(null)
    try {
      await api.POST('/api/v1/executions/{id}/cancel', { params: { path: { id: x.id } } })
      tell('Cancelling')
      await client.invalidateQueries({ queryKey: ['execution', x.id] })
    } catch (e) {
      tellError(e)
    }
  }
  useShortcut('r', () => !isOpen(x.status) && void retry(), { label: 'Retry this execution' })
  const url = flow.data?.hookUrl ?? `${location.origin}${x.hook?.path ?? ''}`
  const suffix = x.hook?.path.startsWith(`/hook/${x.flow}`) ? x.hook.path.slice(`/hook/${x.flow}`.length) : ''

  return (
    <Page
      title={name}
      about={
        <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <ExecutionBadge status={x.status} />
          <code className="break-all text-xs">{x.id}</code>
          <CopyButton text={x.id} name="execution ID" />
        </span>
      }
      wide
      actions={
        <>
          {isOpen(x.status) ? (
            <Button look="danger" icon={<Ban aria-hidden className="size-4" />} onClick={() => setDialog('cancel')}>
              Cancel
            </Button>
          ) : (
            <>
              <Button look="primary" busy={busy} icon={<RotateCw aria-hidden className="size-4" />} onClick={() => void retry()}>
                Retry
              </Button>
              <Button icon={<Pencil aria-hidden className="size-4" />} onClick={() => setDialog('edit')} disabled={!x.hook}>
                Edit and retry
              </Button>
            </>
          )}
          <Button icon={<GitCompareArrows aria-hidden className="size-4" />} onClick={() => setDialog('compare')}>
            Compare
          </Button>
          {x.hook && <CopyButton text={() => curlOf(url + suffix, x.hook!)} name="curl command" label="Copy as curl" />}
        </>
      }
    >
      <Card className="px-4 py-3.5">
        <dl className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-3 lg:grid-cols-6">
          <Fact label="Accepted">{fullTime(x.startedAt)}</Fact>
          <Fact label="Duration">{duration(x.durationMs)}</Fact>
          <Fact label="Ran on">
            <Link to={`/flows/${x.flow}` as never} className="text-accent-ink hover:underline">
              version {x.version || '–'}
            </Link>
          </Fact>
          <Fact label="Trace">
            {x.traceId ? (
              <span className="flex items-center gap-1">
                <code className="truncate text-xs">{x.traceId}</code>
                <CopyButton text={x.traceId} name="trace ID" />
              </span>
            ) : (
              '–'
            )}
          </Fact>
          <Fact label="Place in Kafka">{x.hook ? `${x.hook.topic} ${x.hook.partition}:${x.hook.offset}` : '–'}</Fact>
          <Fact label={x.replayOf ? 'Repeats' : 'Repeated as'}>
            {x.replayOf ? (
              <Link to={`/executions/${x.replayOf}` as never} className="font-mono text-xs text-accent-ink hover:underline">
                {x.replayOf.slice(0, 18)}…
              </Link>
            ) : x.replays.length ? (
              <Link to={`/executions?replayOf=${x.id}` as never} className="text-accent-ink hover:underline">
                {x.replays.length} {x.replays.length === 1 ? 'execution' : 'executions'}
              </Link>
            ) : (
              '–'
            )}
          </Fact>
          {x.replay && (
            <Fact label="Of">
              <Link to={`/replays/${x.replay}` as never} className="text-accent-ink hover:underline">
                Its replay
              </Link>
            </Fact>
          )}
        </dl>
        {x.error && (
          <div role="note" className="mt-3.5 rounded-lg bg-bad-soft px-3 py-2 text-bad">
            <p className="break-words font-medium">{x.error}</p>
            <p className="mt-0.5 text-[0.8125rem] text-ink-2">
              {x.errorStep && `At the step ${x.errorStep}. `}
              {remedies[x.errorKind ?? ''] ?? 'Look at the step’s input below, mend the flow or the other system, and retry.'}
            </p>
          </div>
        )}
      </Card>
      <div className="grid min-w-0 gap-5 xl:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
        <Card className="min-w-0 self-start overflow-hidden">
          <div role="tablist" aria-label="View" className="flex gap-1 border-b border-line px-3 pt-2">
            {(['graph', 'timeline'] as const).map(t => (
              <button
                key={t}
                type="button"
                role="tab"
                aria-selected={tab === t}
                onClick={() => setTab(t)}
                className={`-mb-px border-b-2 px-3 py-2 ${tab === t ? 'border-accent font-medium text-accent-ink' : 'border-transparent text-ink-2 hover:text-ink'}`}
              >
                {t === 'graph' ? 'Steps' : 'Timeline'}
              </button>
            ))}
          </div>
          {tab === 'timeline' ? (
            <Timeline x={x} onChoose={setChosen} />
          ) : version.data ? (
            <OutcomeGraph flow={version.data} steps={outcomes(x)} chosen={chosen} onChoose={setChosen} />
          ) : version.isPending ? (
            <div className="p-4">
              <Loading lines={3} />
            </div>
          ) : (
            <ul className="flex flex-col gap-1 p-4">
              <li className="pb-2 text-ink-3">The flow is not there any more; this is what ran.</li>
              {[start, ...new Set(x.steps.map(s => s.id))].map(id => (
                <li key={id}>
                  <button type="button" className="text-accent-ink hover:underline" onClick={() => setChosen(id)}>
                    {id}
                  </button>
                </li>
              ))}
            </ul>
          )}
        </Card>
        <div className="flex min-w-0 flex-col gap-4">
          {chosen === start ? (
            <Request x={x} />
          ) : (
            x.steps
              .filter(s => s.id === chosen)
              .slice(0, 50)
              .map(s => <StepCard key={s.iteration} s={s} />)
          )}
          {chosen !== start && !x.steps.some(s => s.id === chosen) && (
            <Card className="px-4 py-6 text-ink-3">This step has not run in this execution{isOpen(x.status) ? ' yet' : ''}.</Card>
          )}
        </div>
      </div>
      {dialog === 'edit' && x.hook && <EditAndRetry x={x} onClose={() => setDialog(null)} />}
      {dialog === 'compare' && <ChooseOther x={x} onClose={() => setDialog(null)} />}
      {dialog === 'cancel' && (
        <Dialog
          title="Cancel this execution?"
          onClose={() => setDialog(null)}
          actions={
            <>
              <Button onClick={() => setDialog(null)}>Keep it</Button>
              <Button look="danger" onClick={() => void cancel()}>
                Cancel the execution
              </Button>
            </>
          }
        >
          What has been sent to other systems already is not taken back. The execution can be retried afterwards.
        </Dialog>
      )}
    </Page>
  )
}

/** What to do about each kind of error. */
const remedies: Record<string, string> = {
  network: 'The other system could not be reached. When it answers again, retry.',
  timeout: 'The other system took too long. Retry, or give the step a longer timeout.',
  http: 'The other system refused the request: its answer says why. Mend the mapping or the credential, publish, and retry.',
  input: 'The mapping gave the step something that it does not take. Compare its input with its fields, publish, and retry.',
  expression: 'An expression failed on this payload. Try it in the designer with this payload as the sample.',
  credential: 'The step’s credential is missing or refused. Verify it under Credentials, and retry.',
  blocked: 'The address is not allowed. An operator can allow it by SLUICE_ALLOW_ADDRESSES.',
  cancelled: 'It was cancelled. Retry to run it again.',
}

function Request({ x }: { x: ExecutionDetail }) {
  const h = x.hook
  if (!h) return <Card className="px-4 py-6 text-ink-3">The request is not on record any more.</Card>
  const body = typeof h.body === 'string' ? h.body : printJSON(h.body)
  return (
    <Card className="min-w-0 overflow-hidden">
      <header className="border-b border-line px-4 py-3">
        <h2 className="font-semibold">Request</h2>
        <p className="break-all font-mono text-xs text-ink-2">
          {h.method} {h.path}
          {h.query ? `?${h.query}` : ''}
        </p>
      </header>
      <div className="flex flex-col gap-4 p-4">
        <details>
          <summary className="text-ink-2">{Object.keys(h.headers).length} headers</summary>
          <dl className="mt-2 grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1 font-mono text-xs">
            {Object.entries(h.headers).map(([k, v]) => (
              <div key={k} className="contents">
                <dt className="text-ink-3">{k}</dt>
                <dd className="break-all">{v}</dd>
              </div>
            ))}
          </dl>
        </details>
        <div className="flex flex-col gap-2">
          <p className="text-xs text-ink-3">
            {h.contentType || 'no content type'} · {bytes(body.length)}
            {h.bodyEncoding && ' · not text: shown as base64'}
          </p>
          <PayloadTree value={h.body} name="body" height={420} />
        </div>
      </div>
    </Card>
  )
}

function StepCard({ s }: { s: ExecutionStep }) {
  const [attempt, setAttempt] = useState(s.attempt)
  const a = s.attempts.find(x => x.attempt === attempt) ?? s.attempts.at(-1)
  const input = a?.input ?? s.input
  const output = a?.output ?? s.output
  return (
    <Card className="min-w-0 overflow-hidden">
      <header className="flex flex-wrap items-start justify-between gap-2 border-b border-line px-4 py-3">
        <div className="min-w-0">
          <h2 className="truncate font-semibold">
            {s.name || s.id}
            {s.iteration > 0 && <span className="text-ink-3"> #{s.iteration}</span>}
          </h2>
          <p className="truncate text-xs text-ink-3">{s.uses}</p>
        </div>
        <div className="flex items-center gap-2">
          <StepBadge status={s.status} />
        </div>
      </header>
      <div className="flex flex-col gap-4 p-4">
        {s.attempts.length > 1 && (
          <div role="tablist" aria-label="Attempts" className="flex flex-wrap gap-1">
            {s.attempts.map(x => (
              <button
                key={x.attempt}
                type="button"
                role="tab"
                aria-selected={x.attempt === a?.attempt}
                onClick={() => setAttempt(x.attempt)}
                className={`h-7 rounded-md px-2.5 text-[0.8125rem] ${x.attempt === a?.attempt ? 'bg-accent-soft font-medium text-accent-ink' : 'text-ink-2 hover:bg-hover'}`}
              >
                Attempt {x.attempt}
                <span className="text-ink-3"> · {x.httpStatus || x.status}</span>
              </button>
            ))}
          </div>
        )}
        {a ? (
          <>
            <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
              <Fact label="Started">{fullTime(a.startedAt)}</Fact>
              <Fact label="Took">{duration(a.durationMs)}</Fact>
              <Fact label="HTTP">{a.httpStatus || '–'}</Fact>
              <Fact label="Idempotency key">
                {s.idempotencyKey ? (
                  <code className="text-xs" title={s.idempotencyKey}>
                    {s.idempotencyKey.slice(0, 16)}…
                  </code>
                ) : (
                  '–'
                )}
              </Fact>
            </dl>
            {a.error && <p className="break-words rounded-lg bg-bad-soft px-3 py-2 text-bad">{a.error}</p>}
            {a.retryAt && <p className="text-ink-2">The next attempt is due at {fullTime(a.retryAt)}.</p>}
            <section aria-label="Input" className="flex flex-col gap-1.5">
              <h3 className="text-xs font-medium text-ink-2">Input</h3>
              <PayloadTree value={input ?? null} name="input" />
            </section>
            <section aria-label="Output" className="flex flex-col gap-1.5">
              <h3 className="text-xs font-medium text-ink-2">Output</h3>
              <PayloadTree value={output ?? null} name={`steps.${s.id}`} />
            </section>
          </>
        ) : (
          <p className="text-ink-3">It did not run: its condition was not met, or what it waits for did not happen.</p>
        )}
      </div>
    </Card>
  )
}

function EditAndRetry({ x, onClose }: { x: ExecutionDetail; onClose: () => void }) {
  const h = x.hook!
  const json = typeof h.body !== 'string' || /json/.test(h.contentType)
  const [text, setText] = useState(json ? printJSON(h.body, 2) : String(h.body))
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const navigate = useNavigate()
  let wrong = ''
  if (json) {
    try {
      parseJSON(text)
    } catch (e) {
      if (e instanceof JsonError) wrong = `Line ${e.line}, column ${e.column}: ${e.message}`
    }
  }
  const send = async () => {
    setBusy(true)
    setError(null)
    try {
      const { data } = await exact<{ id: string }>('POST', `/executions/${x.id}/retry`, { body: { body: json ? parseJSON(text) : text } })
      tell('Sent in as a new execution')
      onClose()
      await navigate({ to: `/executions/${data.id}` as never })
    } catch (e) {
      setError(e)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title="Edit and retry"
      wide
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button look="primary" busy={busy} disabled={wrong !== '' || h.bodyEncoding === 'base64'} onClick={() => void send()}>
            Retry with this body
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        <p className="text-ink-2">A new execution begins on the published version with the body below. This one stays as it is.</p>
        <TextArea
          label="Body"
          rows={16}
          value={text}
          onChange={e => setText(e.target.value)}
          error={wrong}
          className="font-mono text-[0.8125rem]"
        />
        {error !== null && <Problem error={error} />}
      </div>
    </Dialog>
  )
}

function ChooseOther({ x, onClose }: { x: ExecutionDetail; onClose: () => void }) {
  const [other, setOther] = useState(x.replayOf ?? x.replays.at(-1) ?? '')
  const navigate = useNavigate()
  const ok = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(other.trim())
  const near = [...(x.replayOf ? [x.replayOf] : []), ...x.replays]
  return (
    <Dialog
      title="Compare with another execution"
      onClose={onClose}
      actions={
        <Button look="primary" disabled={!ok} onClick={() => void navigate({ to: `/executions/${x.id}/compare/${other.trim()}` as never })}>
          Compare
        </Button>
      }
    >
      <TextField
        label="The other execution’s ID"
        value={other}
        onChange={e => setOther(e.target.value)}
        error={other && !ok ? 'An execution’s ID has 36 characters: copy it from its page' : undefined}
        className="font-mono"
      />
      {near.length > 0 && (
        <ul className="mt-3 flex flex-col gap-1">
          {near.slice(0, 8).map(id => (
            <li key={id}>
              <button type="button" className="font-mono text-xs text-accent-ink hover:underline" onClick={() => setOther(id)}>
                {id}
              </button>
              <span className="text-xs text-ink-3"> {id === x.replayOf ? 'the one that this repeats' : 'a repeat of this one'}</span>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  )
}
