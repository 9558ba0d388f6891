import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Ban, GitCompareArrows, Pencil, RotateCw } from 'lucide-react'
import { useState } from 'react'
import { api, exact, isAway } from '../api/client.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { useCatchUp } from '../live/news.ts'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Fact } from '../ui/fact.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { ExecutionBadge } from '../ui/status.tsx'
import { duration, fullTime } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { curlOf } from './curl.ts'
import { ChooseOther, EditAndRetry } from './dialogs.tsx'
import { type GraphStep, OutcomeGraph } from './graph.tsx'
import { start } from './layout.ts'
import { executionQuery, flowQuery, versionQuery } from './queries.ts'
import { Request } from './request.tsx'
import { NotRun, StepCard } from './step.tsx'
import { Timeline } from './timeline.tsx'
import { type ExecutionDetail, isOpen } from './types.ts'

export function ExecutionScreen() {
  const { id } = useParams({ strict: false }) as { id: string }
  useCatchUp(['execution', id])
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

/** How each step of the graph ended; of several iterations, the worst. */
export function outcomes(x: ExecutionDetail): Map<string, GraphStep> {
  const worst = ['failed', 'unknown', 'retrying', 'waiting', 'running', 'cancelled', 'filtered', 'succeeded', 'skipped']
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
  const firstFailed = x.steps.find(s => ['failed', 'retrying', 'unknown', 'waiting'].includes(s.status))?.id
  const [chosen, setChosen] = useState(firstFailed ?? x.steps.find(s => s.attempt > 0)?.id ?? start)
  const [dialog, setDialog] = useState<'edit' | 'compare' | 'cancel' | null>(null)
  const [tab, setTab] = useState<'graph' | 'timeline'>('graph')
  const navigate = useNavigate()
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)

  const retry = async (from?: string) => {
    setBusy(true)
    try {
      const { data } = await exact<{ id: string }>('POST', `/executions/${x.id}/retry`, from ? { body: { from } } : {})
      tell(from ? `Goes on from ${from} in a new execution` : 'Sent in again as a new execution')
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
  useShortcut('e', () => x.hook && !isOpen(x.status) && setDialog('edit'), { label: 'Edit and retry' })
  useShortcut('c', () => setDialog('compare'), { label: 'Compare with another execution' })
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
              <Button
                icon={<Pencil aria-hidden className="size-4" />}
                onClick={() => setDialog('edit')}
                disabled={!x.hook || (x.hook.body === null && x.hook.bodySize > 4)}
              >
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
        <dl className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-3 lg:grid-cols-6 [&_dd]:truncate">
          <Fact label="Accepted">{fullTime(x.startedAt)}</Fact>
          <Fact label="Duration">{duration(x.durationMs)}</Fact>
          <Fact label="Ran on">
            <Link to={`/flows/${encodeURIComponent(x.flow)}` as never} className="text-accent-ink hover:underline">
              {x.version ? `version ${x.version}` : 'not run yet'}
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
          {x.replayOf && (
            <Fact label={x.replay ? 'Replays' : 'Retries'}>
              <Link to={`/executions/${x.replayOf}` as never} className="font-mono text-xs text-accent-ink hover:underline">
                {x.replayOf.slice(0, 18)}…
              </Link>
            </Fact>
          )}
          {(x.replays.length > 0 || !x.replayOf) && (
            <Fact label="Repeated as">
              {x.replays.length === 1 ? (
                <Link to={`/executions/${x.replays[0]}` as never} className="font-mono text-xs text-accent-ink hover:underline">
                  {x.replays[0]!.slice(0, 18)}…
                </Link>
              ) : x.replays.length > 1 ? (
                <Link to={`/executions?replayOf=${x.id}` as never} className="text-accent-ink hover:underline">
                  {x.replays.length === 100 ? '100 or more' : x.replays.length} executions
                </Link>
              ) : (
                '–'
              )}
            </Fact>
          )}
          {x.calledBy && (
            <Fact label="Called by">
              <Link
                to={`/executions/${x.calledBy.execution}` as never}
                title={`step ${x.calledBy.step} of ${x.calledBy.execution}`}
                className="text-accent-ink hover:underline"
              >
                {x.calledBy.flow}, step {x.calledBy.step}
              </Link>
            </Fact>
          )}
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
              .map(s => <StepCard key={s.iteration} x={x} s={s} busy={busy} onRetryFrom={() => void retry(s.id)} />)
          )}
          {chosen !== start && !x.steps.some(s => s.id === chosen) && (
            <NotRun x={x} id={chosen} busy={busy} onRetryFrom={() => void retry(chosen)} />
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
