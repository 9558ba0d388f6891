import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArrowRight, Plus, Workflow } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { LiveDot } from '../executions/list.tsx'
import { versionQuery } from '../executions/queries.ts'
import { Recent } from '../executions/recent.tsx'
import type { Execution } from '../executions/types.ts'
import { type Flow, useFlows } from '../flows/queries.ts'
import { useNews } from '../live/news.ts'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { FlowBadge } from '../ui/status.tsx'
import { duration, number } from '../ui/time.ts'
import { Charts, Figure, type Series, type Span, Spans } from './figures.tsx'

interface Backlog {
  open: Record<string, number>
  openPerFlow: Record<string, number>
  lag: { consumer: string; topic: string; records: number }[]
}

/** How a flow went in the last day. */
interface FlowStats {
  flow: string
  executions: Record<string, number>
  steps: Record<string, Record<string, number>>
}

interface Stats {
  flows: Record<string, number>
  latencyMs: { count: number; p50: number; p95: number; p99: number }
  perFlow: FlowStats[]
}

const get =
  <T,>(path: string) =>
  async ({ signal }: { signal: AbortSignal }) =>
    (await exact<T>('GET', path, { signal })).data

export function Dashboard() {
  const [span, setSpan] = useState<Span>('1h')
  const client = useQueryClient()
  const flows = useFlows()
  const stats = useQuery({ queryKey: ['dashboard', 'stats'], queryFn: get<Stats>('/stats'), refetchInterval: 15_000 })
  const backlog = useQuery({ queryKey: ['dashboard', 'backlog'], queryFn: get<Backlog>('/stats/backlog'), refetchInterval: 5_000 })
  const series = useQuery({
    queryKey: ['dashboard', 'series', span],
    queryFn: get<Series>(`/stats/series?since=${span}`),
    refetchInterval: 15_000,
  })
  const recent = useQuery({
    queryKey: ['dashboard', 'recent'],
    queryFn: get<{ items: Execution[] }>('/executions?limit=8'),
    refetchInterval: 15_000,
  })
  const live = useNews({}, [['dashboard']])
  const names = new Map((flows.data ?? []).map(f => [f.id, f.name || f.id]))

  if (flows.isPending) {
    return (
      <Page title="Dashboard">
        <Loading lines={6} />
      </Page>
    )
  }
  if (flows.isError) {
    return (
      <Page title="Dashboard">
        <Problem error={flows.error} retry={() => void flows.refetch()} />
      </Page>
    )
  }
  if (flows.data.length === 0) {
    return (
      <Page title="Dashboard">
        <Empty
          icon={<Workflow />}
          title="Build your first flow"
          action={
            <Link
              to={'/flows/new' as never}
              className="inline-flex h-9 items-center gap-1.5 rounded-lg bg-accent px-3.5 font-medium text-on-accent hover:bg-accent-hover"
            >
              <Plus aria-hidden className="size-4" /> Add New Flow
            </Link>
          }
        >
          A flow takes in webhooks and does something with each of them. It takes about five minutes to have one running.
        </Empty>
      </Page>
    )
  }
  const s = series.data
  const sum = (xs: number[] = []) => xs.reduce((a, b) => a + b, 0)
  const total = sum(s?.executions)
  const failed = sum(s?.errors)
  const lag = sum(backlog.data?.lag.map(l => l.records))
  const open = (backlog.data?.open.waiting ?? 0) + (backlog.data?.open.running ?? 0)

  const perFlow = new Map(stats.data?.perFlow.map(f => [f.flow, f]))
  const busiest = [...flows.data].sort((a, b) => ran(perFlow.get(b.id)) - ran(perFlow.get(a.id)))

  return (
    <Page
      title="Dashboard"
      wide
      actions={
        <>
          <LiveDot state={live} />
          <Spans span={span} onChange={setSpan} />
        </>
      }
    >
      {(series.isError || backlog.isError) && (
        <Problem error={series.error ?? backlog.error} retry={() => void client.invalidateQueries({ queryKey: ['dashboard'] })} />
      )}
      <dl className="grid grid-cols-2 gap-3 lg:grid-cols-5">
        <Figure label="Flows running" value={number(stats.data?.flows.running ?? flows.data.filter(f => f.state === 'running').length)}>
          {stats.data ? `${stats.data.flows.paused} paused, ${stats.data.flows.stopped} stopped` : ''}
        </Figure>
        <Figure label="Executions" value={s ? number(total) : '…'}>
          {span === '1h' ? 'in the last hour' : span === '24h' ? 'in the last day' : 'in the last week'}
        </Figure>
        <Figure label="Failed" value={s ? number(failed) : '…'} tone={failed > 0 ? 'text-bad' : undefined}>
          {total > 0 ? `${((failed / total) * 100).toFixed(failed && failed / total < 0.01 ? 2 : 1)} %` : 'none ran'}
        </Figure>
        <Figure label="Latency p95" value={stats.data?.latencyMs.count ? duration(stats.data.latencyMs.p95) : '–'}>
          {stats.data?.latencyMs.count
            ? `p50 ${duration(stats.data.latencyMs.p50)}, p99 ${duration(stats.data.latencyMs.p99)}`
            : 'of the last hour'}
        </Figure>
        <Figure label="Open" value={backlog.data ? number(open) : '…'} tone={lag > 1000 ? 'text-warn' : undefined}>
          {backlog.data ? `${number(backlog.data.open.waiting ?? 0)} waiting, lag ${number(lag)}` : ''}
        </Figure>
      </dl>
      <Charts series={s} span={span} />
      <div className="grid min-w-0 gap-4 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <section className="flex min-w-0 flex-col gap-3" aria-label="Flows">
          <h2 className="flex items-center justify-between font-semibold">
            <span>
              Flows and their steps <span className="font-normal text-[0.8125rem] text-ink-3">in the last day</span>
            </span>
            <Link to="/flows" className="flex items-center gap-1 font-normal text-[0.8125rem] text-accent-ink hover:underline">
              All {flows.data.length} <ArrowRight aria-hidden className="size-3.5" />
            </Link>
          </h2>
          {busiest.slice(0, 20).map(f => (
            <FlowCounters key={f.id} flow={f} stats={perFlow.get(f.id)} held={backlog.data?.openPerFlow[f.id] ?? 0} />
          ))}
        </section>
        <section className="flex min-w-0 flex-col gap-3" aria-label="Run log">
          <h2 className="flex items-center justify-between font-semibold">
            Run log
            <Link
              to={'/executions' as never}
              className="flex items-center gap-1 text-[0.8125rem] font-normal text-accent-ink hover:underline"
            >
              All executions <ArrowRight aria-hidden className="size-3.5" />
            </Link>
          </h2>
          <Card className="overflow-hidden">
            <Recent
              items={recent.data?.items ?? []}
              name={x => names.get(x.flow) ?? x.flow}
              empty="Send a request to a running flow’s URL: it shows here within a second."
            />
          </Card>
        </section>
      </div>
    </Page>
  )
}

const ran = (s?: FlowStats) => Object.values(s?.executions ?? {}).reduce((a, b) => a + b, 0)

/** A flow as a row of its steps, each with how many executions passed it. */
function FlowCounters({ flow, stats, held }: { flow: Flow; stats?: FlowStats; held: number }) {
  const document = useQuery({ ...versionQuery(flow.id, flow.version), enabled: flow.version > 0 }).data
  return (
    <Card className="flex min-w-0 flex-col gap-3 p-4">
      <div className="flex items-center justify-between gap-3">
        <Link to={`/flows/${encodeURIComponent(flow.id)}` as never} className="truncate font-medium hover:text-accent-ink hover:underline">
          {flow.name || flow.id}
        </Link>
        <span className="flex items-center gap-2">
          {held > 0 && (
            <span className="text-ink-3 text-xs tabular-nums">
              {number(held)} {flow.state === 'paused' ? 'held' : 'open'}
            </span>
          )}
          <FlowBadge state={flow.state} />
        </span>
      </div>
      <ol className="flex flex-wrap gap-1.5" aria-label={`Steps of ${flow.name || flow.id}`}>
        <Counter name={document?.trigger.name || 'Webhook'} good={stats && ran(stats)} bad={0} />
        {(document?.steps ?? []).map(s => {
          const c = stats?.steps[s.id]
          return <Counter key={s.id} name={s.name || s.id} good={stats && (c?.succeeded ?? 0)} bad={c?.failed ?? 0} arrow />
        })}
      </ol>
    </Card>
  )
}

function Counter({ name, good, bad, arrow }: { name: string; good?: number; bad: number; arrow?: boolean }) {
  return (
    <li className="flex shrink-0 items-center gap-1.5">
      {arrow && <ArrowRight aria-hidden className="size-3.5 text-ink-3" />}
      <span className="flex w-36 flex-col rounded-lg border border-line bg-page px-3 py-2">
        <span className="truncate text-xs text-ink-3" title={name}>
          {name}
        </span>
        <span className="flex items-baseline gap-2">
          <span className="text-lg font-semibold tabular-nums" data-testid="step-count">
            {good === undefined ? '…' : number(good)}
          </span>
          {bad > 0 && <span className="text-xs text-bad tabular-nums">{number(bad)} failed</span>}
        </span>
      </span>
    </li>
  )
}
