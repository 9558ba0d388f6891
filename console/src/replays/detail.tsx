import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { Ban, History, Pause, Play } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { useFlows } from '../flows/queries.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Fact } from '../ui/fact.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { executionFaces } from '../ui/status.tsx'
import { fullTime, number } from '../ui/time.ts'
import { tellError } from '../ui/toast.tsx'
import { Progress, ReplayBadge } from './faces.tsx'
import { isGoing, type Replay, replayQuery } from './queries.ts'
import { Report } from './report.tsx'
import { inWords } from './request.ts'

/** A replay: how far it is, what became of it, and what a dry run found. */
export function ReplayScreen() {
  const { id } = useParams({ strict: false }) as { id: string }
  const replay = useQuery(replayQuery(id))
  const flows = useFlows().data ?? []
  const client = useQueryClient()
  const [cancelling, setCancelling] = useState(false)
  const move = useMutation({
    mutationFn: (command: 'pause' | 'resume' | 'cancel') => exact('POST', `/replays/${encodeURIComponent(id)}/${command}`),
    onError: tellError,
    onSettled: () => {
      setCancelling(false)
      void client.invalidateQueries({ queryKey: ['replay', id] })
      void client.invalidateQueries({ queryKey: ['replays'] })
    },
  })
  const r = replay.data
  if (!r) {
    return <Page title="Replay">{replay.isError ? <Problem error={replay.error} retry={() => void replay.refetch()} /> : <Loading />}</Page>
  }
  const flow = r.selection.flow
  return (
    <Page
      title={r.dryRun ? 'Dry run' : 'Replay'}
      about={r.note}
      actions={
        isGoing(r.state) && (
          <>
            {r.state === 'paused' ? (
              <Button busy={move.isPending} icon={<Play aria-hidden className="size-4" />} onClick={() => move.mutate('resume')}>
                Resume
              </Button>
            ) : (
              <Button busy={move.isPending} icon={<Pause aria-hidden className="size-4" />} onClick={() => move.mutate('pause')}>
                Pause
              </Button>
            )}
            <Button look="danger" icon={<Ban aria-hidden className="size-4" />} onClick={() => setCancelling(true)}>
              Cancel
            </Button>
          </>
        )
      }
    >
      <Card className="flex flex-col gap-4 p-5">
        <div className="flex flex-wrap items-center gap-3">
          <ReplayBadge state={r.state} />
          <p className="text-ink-2" role="status">
            {r.total === null ? (
              'Selecting the hooks'
            ) : (
              <>
                <strong className="font-semibold text-ink">{number(r.progress?.done ?? 0)}</strong> of {number(r.total)}{' '}
                {r.dryRun ? 'compared' : 'ended'}
              </>
            )}
          </p>
          {r.reason && <p className="text-bad">{r.reason}</p>}
        </div>
        <Progress replay={r} />
        {!r.dryRun && <Outcomes replay={r} />}
        <dl className="grid gap-x-8 gap-y-3 sm:grid-cols-2 lg:grid-cols-4">
          <Fact label="Flow">{flow ? flows.find(f => f.id === flow)?.name || flow : 'any'}</Fact>
          <Fact label="Version">{r.version}</Fact>
          <Fact label="Hooks">
            {r.selection.changedIn ? (
              <Link to={`/replays/${r.selection.changedIn}` as never} className="text-accent-ink hover:underline">
                {inWords(r.selection, fullTime)}
              </Link>
            ) : (
              inWords(r.selection, fullTime)
            )}
          </Fact>
          <Fact label="Created">
            {fullTime(r.createdAt)}
            {r.by && ` by ${r.by}`}
          </Fact>
          {!r.dryRun && <Fact label="Rate">{r.rate ? `${number(r.rate)} a second at most` : 'as live hooks allow'}</Fact>}
          {!r.dryRun && <Fact label="Aborts">{r.maxFailures ? `after ${number(r.maxFailures)} failures` : 'never'}</Fact>}
          {r.sameKeys && <Fact label="Idempotency keys">those of the originals</Fact>}
        </dl>
        {r.selection.sql && (
          <details>
            <summary className="text-[0.8125rem] text-ink-2">The statement that selects</summary>
            <pre className="mt-2 overflow-x-auto rounded-lg bg-sunken p-3 font-mono text-[0.8125rem]">{r.selection.sql}</pre>
          </details>
        )}
      </Card>
      {r.report && <Report replay={r} report={r.report} />}
      {cancelling && (
        <Dialog
          title={r.dryRun ? 'Cancel this dry run?' : 'Cancel this replay?'}
          onClose={() => setCancelling(false)}
          actions={
            <>
              <Button onClick={() => setCancelling(false)}>Let it run</Button>
              <Button look="danger" busy={move.isPending} onClick={() => move.mutate('cancel')}>
                Cancel it
              </Button>
            </>
          }
        >
          <p className="text-ink-2">No more hooks are sent; what has begun is finished. A cancelled one cannot go on: a new one can.</p>
        </Dialog>
      )}
    </Page>
  )
}

function Outcomes({ replay: r }: { replay: Replay }) {
  const counts = Object.entries(r.progress?.status ?? {}).filter(([, n]) => n > 0)
  return (
    <div className="flex flex-wrap items-center gap-2">
      {counts.map(([status, n]) => (
        <Link
          key={status}
          to={`/executions?replay=${r.id}&status=${status}` as never}
          className="rounded-lg border border-line px-3 py-1.5 text-[0.8125rem] hover:bg-hover"
        >
          <strong className="font-semibold">{number(n)}</strong>{' '}
          {(executionFaces as Record<string, { label: string }>)[status]?.label.toLowerCase() ?? status}
        </Link>
      ))}
      <Link
        to={`/executions?replay=${r.id}` as never}
        className="inline-flex items-center gap-1.5 text-[0.8125rem] text-accent-ink hover:underline"
      >
        <History aria-hidden className="size-3.5" />
        Its executions in the run log
      </Link>
    </div>
  )
}
