import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { ArrowRight, Ban, MoreHorizontal, Pencil, ShieldAlert, Trash2, Workflow } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { Charts, Figure, type Series, type Span, Spans } from '../dashboard/figures.tsx'
import { hookCurl } from '../designer/curl.ts'
import { start } from '../executions/layout.ts'
import { LiveDot } from '../executions/list.tsx'
import { flowQuery, versionQuery } from '../executions/queries.ts'
import { Recent } from '../executions/recent.tsx'
import type { Execution } from '../executions/types.ts'
import type { FlowDocument } from '../flow/document.ts'
import { useNews } from '../live/news.ts'
import { reasonInWords, rejectedQuery } from '../rejected/queries.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Menu } from '../ui/menu.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge, FlowBadge } from '../ui/status.tsx'
import { ago, duration, number } from '../ui/time.ts'
import { Blocked } from './blocked.tsx'
import { type Command, commands, useCommand } from './commands.tsx'
import { DeleteDialog } from './delete.tsx'
import { CountedGraph, counted } from './graph.tsx'
import { type Counters, countersQuery, type Flow } from './queries.ts'

/** A flow as it runs: its state, its URL, what each step did, and its last executions. */
export function FlowPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const found = useQuery({ ...flowQuery(id), refetchOnMount: 'always', refetchInterval: 10_000 })
  if (found.isPending) {
    return (
      <Page title="Flow">
        <Loading lines={6} />
      </Page>
    )
  }
  if (found.isError) {
    return (
      <Page title="Flow">
        <Problem error={found.error} retry={() => void found.refetch()} />
        <Link to="/flows" className="text-accent-ink underline">
          All flows
        </Link>
      </Page>
    )
  }
  return <Running flow={found.data} key={id} />
}

function Running({ flow }: { flow: Flow }) {
  const name = flow.name || flow.id
  const path = `/flows/${encodeURIComponent(flow.id)}`
  const navigate = useNavigate()
  const [span, setSpan] = useState<Span>('24h')
  const [deleting, setDeleting] = useState(false)
  const [chosen, setChosen] = useState<string>()
  const say = useCommand(flow)
  const published = useQuery({ ...versionQuery(flow.id, flow.version), enabled: flow.version > 0 }).data
  const document = published ?? flow.draft
  const counters = useQuery(countersQuery(flow.id, span))
  const series = useQuery({
    queryKey: ['series', flow.id, span],
    queryFn: async ({ signal }) =>
      (await exact<Series>('GET', `/stats/series?flow=${encodeURIComponent(flow.id)}&since=${span}`, { signal })).data,
    refetchInterval: 15_000,
  })
  const recent = useQuery({
    queryKey: ['recent', flow.id],
    queryFn: async ({ signal }) =>
      (await exact<{ items: Execution[] }>('GET', `/executions?limit=12&flow=${encodeURIComponent(flow.id)}`, { signal })).data.items,
    refetchInterval: 15_000,
  })
  const live = useNews({ flow: flow.id }, [
    ['counters', flow.id],
    ['series', flow.id],
    ['recent', flow.id],
  ])
  useShortcut('e', () => void navigate({ to: `${path}/edit` as never }), { label: 'Edit this flow' })
  const c = counters.data
  const ran = c ? Object.values(c.executions).reduce((a, b) => a + b, 0) : 0
  const failed = c?.executions.failed ?? 0
  const open = (c?.open.waiting ?? 0) + (c?.open.running ?? 0)
  const inSpan = { '1h': 'in the last hour', '24h': 'in the last day', '168h': 'in the last week' }[span]

  return (
    <Page
      title={name}
      about={
        <span className="flex flex-wrap items-center gap-2">
          <FlowBadge state={flow.state} />
          {flow.version > 0 ? (
            <Link to={`${path}/versions` as never} className="text-accent-ink hover:underline">
              Version {flow.version}
            </Link>
          ) : (
            <span>Never published</span>
          )}
          {flow.hasDraft && flow.version > 0 && <Badge tone="violet">Draft</Badge>}
          {document?.note && <span className="text-ink-2">{document.note}</span>}
        </span>
      }
      wide
      actions={
        <>
          <LiveDot state={live} />
          {flow.version > 0 &&
            commands[flow.state].map((command, i) => (
              <Button
                key={command.command}
                look={i === 0 && flow.state !== 'running' ? 'primary' : 'plain'}
                icon={<span className="[&>svg]:size-4">{command.icon}</span>}
                onClick={() => void say(command.command)}
              >
                {command.label}
              </Button>
            ))}
          <Button icon={<Pencil aria-hidden className="size-4" />} onClick={() => void navigate({ to: `${path}/edit` as never })}>
            Edit
          </Button>
          <Menu
            items={[
              {
                label: 'Rejected requests',
                icon: <ShieldAlert />,
                onSelect: () => void navigate({ to: `/rejected?flow=${encodeURIComponent(flow.id)}` as never }),
              },
              'line',
              { label: 'Delete', icon: <Trash2 />, danger: true, onSelect: () => setDeleting(true) },
            ]}
          >
            <IconButton label={`More for ${name}`}>
              <MoreHorizontal aria-hidden className="size-4" />
            </IconButton>
          </Menu>
        </>
      }
    >
      <State flow={flow} open={open} say={say} edit={() => void navigate({ to: `${path}/edit` as never })} />
      <Address flow={flow} document={document} />
      <Refused flow={flow} />
      {counters.isError && <Problem error={counters.error} retry={() => void counters.refetch()} />}
      <div className="flex items-center justify-between gap-3">
        <h2 className="font-semibold">How it goes</h2>
        <Spans span={span} onChange={setSpan} />
      </div>
      <dl className="-mt-2 grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Figure label="Executions" value={c ? number(ran) : '…'}>
          {inSpan}
        </Figure>
        <Figure label="Failed" value={c ? number(failed) : '…'} tone={failed > 0 ? 'text-bad' : undefined}>
          {failed > 0 ? (
            <Link to={`/executions?flow=${encodeURIComponent(flow.id)}&status=failed` as never} className="text-accent-ink hover:underline">
              {((failed / ran) * 100).toFixed(1)} %: look at them
            </Link>
          ) : (
            'none'
          )}
        </Figure>
        <Figure label="Latency p95" value={c?.latencyMs.count ? duration(c.latencyMs.p95) : '–'}>
          {c?.latencyMs.count ? `p50 ${duration(c.latencyMs.p50)}, p99 ${duration(c.latencyMs.p99)}` : 'nothing has ended'}
        </Figure>
        <Figure
          label={flow.state === 'paused' ? 'Backlog' : 'Open'}
          value={c ? number(open) : '…'}
          tone={open > 1000 ? 'text-warn' : undefined}
        >
          {c ? `${number(c.open.waiting ?? 0)} waiting, ${number(c.open.running ?? 0)} running` : ''}
        </Figure>
      </dl>
      <Blocked flow={flow.id} />
      <div className="grid min-w-0 gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Card className="min-w-0 self-start overflow-hidden">
          <header className="flex items-center justify-between gap-3 border-line border-b px-4 py-3">
            <h2 className="font-semibold">Steps</h2>
            <span className="text-[0.8125rem] text-ink-3">{inSpan}</span>
          </header>
          {document ? (
            <>
              <CountedGraph flow={document} counters={c} chosen={chosen} onChoose={step => setChosen(step === chosen ? undefined : step)} />
              {chosen && <StepFacts flow={flow} document={document} counters={c} id={chosen} />}
            </>
          ) : (
            <div className="p-4">
              <Loading lines={3} />
            </div>
          )}
        </Card>
        <Card className="min-w-0 self-start overflow-hidden">
          <header className="flex items-center justify-between gap-3 border-line border-b px-4 py-3">
            <h2 className="font-semibold">Run log</h2>
            <Link
              to={`/executions?flow=${encodeURIComponent(flow.id)}` as never}
              className="flex items-center gap-1 text-[0.8125rem] text-accent-ink hover:underline"
            >
              All its executions <ArrowRight aria-hidden className="size-3.5" />
            </Link>
          </header>
          {recent.isError ? (
            <div className="p-4">
              <Problem error={recent.error} retry={() => void recent.refetch()} />
            </div>
          ) : (
            <Recent
              items={recent.data ?? []}
              name={x => x.id}
              empty={
                flow.state === 'stopped'
                  ? 'Nothing has run. Start the flow, and send a request to its URL.'
                  : 'Nothing has run yet. Send a request to its URL: it shows here within a second.'
              }
            />
          )}
        </Card>
      </div>
      <Charts series={series.data} span={span} />
      {deleting && <DeleteDialog flow={flow} onClose={() => setDeleting(false)} onDeleted={() => void navigate({ to: '/flows' })} />}
    </Page>
  )
}

/** What a flow's state means for its senders, where that is not the usual. */
function State({ flow, open, say, edit }: { flow: Flow; open: number; say: (c: Command) => Promise<void>; edit: () => void }) {
  if (flow.version === 0) {
    return (
      <Empty
        icon={<Workflow />}
        title="This flow is a draft"
        action={
          <Button look="primary" onClick={edit}>
            Open the designer
          </Button>
        }
      >
        Finish its steps, publish it and start it: then it takes in requests at its URL.
      </Empty>
    )
  }
  if (flow.state === 'paused') {
    return (
      <div role="status" className="flex flex-wrap items-center justify-between gap-3 rounded-xl bg-warn-soft px-4 py-3">
        <p className="text-ink-2">
          <strong className="font-semibold text-warn">Paused.</strong> Requests are accepted and held:{' '}
          <strong className="font-semibold tabular-nums">{number(open)}</strong> so far. Resuming runs them, in order.
        </p>
        <Button small onClick={() => void say('resume')}>
          Resume now
        </Button>
      </div>
    )
  }
  if (flow.state === 'stopped') {
    return (
      <div role="status" className="flex flex-wrap items-center gap-2 rounded-xl bg-calm-soft px-4 py-3 text-ink-2">
        <Ban aria-hidden className="size-4" />
        <p>
          Its URL answers 404.
          {open > 0
            ? ` What was accepted is still finished: ${number(open)} to go.`
            : ' Nothing that it accepted was lost: all of it is in the run log.'}
        </p>
      </div>
    )
  }
  return null
}

/** What starts the flow: its URL, or what else does. */
function Address({ flow, document }: { flow: Flow; document?: FlowDocument }) {
  if (flow.version === 0) return null
  const trigger = document?.trigger
  if (trigger && trigger.uses !== 'webhook/receive') {
    const input = (trigger.input ?? {}) as Record<string, unknown>
    return (
      <Card className="px-4 py-3">
        <p className="text-ink-2">
          Started by <code>{trigger.uses}</code>
          {Object.entries(input).map(([k, v]) => (
            <span key={k}>
              , {k} <code>{typeof v === 'string' ? v : JSON.stringify(v)}</code>
            </span>
          ))}
          .
        </p>
      </Card>
    )
  }
  return (
    <Card className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="text-ink-3 text-xs">
          {(trigger?.methods ?? ['POST', 'GET']).join(' or ')} to
          {trigger?.credential && (
            <>
              {', authenticated by '}
              <Link to="/credentials" className="text-accent-ink underline underline-offset-2">
                {trigger.credential}
              </Link>
            </>
          )}
        </p>
        <code className="block break-all text-[0.8125rem]">{flow.hookUrl}</code>
      </div>
      <div className="flex flex-wrap gap-2">
        <CopyButton text={flow.hookUrl} name="URL" label="Copy URL" />
        <CopyButton text={() => hookCurl(flow.hookUrl, trigger ?? { uses: flow.trigger })} name="curl command" label="Copy as curl" />
      </div>
    </Card>
  )
}

/** That requests were turned away, where some were: their senders see nothing of why. */
function Refused({ flow }: { flow: Flow }) {
  const hooks = flow.version > 0 && flow.trigger === 'webhook/receive'
  const rejected = useInfiniteQuery({ ...rejectedQuery(flow.id), enabled: hooks, refetchInterval: 15_000 })
  const open = rejected.data?.pages.flatMap(p => p.items).filter(r => !r.execution) ?? []
  if (open.length === 0) return null
  return (
    <Link
      to={`/rejected?flow=${encodeURIComponent(flow.id)}` as never}
      className="flex flex-wrap items-center gap-2 rounded-xl bg-bad-soft px-4 py-3 text-ink-2 hover:underline"
    >
      <ShieldAlert aria-hidden className="size-4 text-bad" />
      <span>
        <strong className="font-semibold text-bad tabular-nums">
          {open.length >= 50 ? '50 or more' : open.length} {open.length === 1 ? 'request was' : 'requests were'} rejected
        </strong>{' '}
        within the last day, the last {ago(open[0]!.time)}: {reasonInWords(open[0]!.reason).toLowerCase()}.
      </span>
      <span className="text-accent-ink">See why</span>
    </Link>
  )
}

function StepFacts({ flow, document, counters, id }: { flow: Flow; document: FlowDocument; counters?: Counters; id: string }) {
  const step = id === start ? document.trigger : document.steps.find(s => s.id === id)
  const s = counters?.steps.find(x => x.step === id)
  const n = counted(s)
  const l = id === start ? counters?.latencyMs : s?.latencyMs
  const facts: [string, string][] =
    id === start
      ? [
          ['Accepted', number(counters?.hooks ?? 0)],
          ...Object.entries(counters?.executions ?? {}).map(([k, v]) => [k, number(v)] as [string, string]),
        ]
      : [
          ['Succeeded', number(n.done)],
          ['Failed', number(n.failed)],
          ['Waiting or retrying', number(n.standing)],
          ['Skipped', number(n.skipped)],
          ['Attempts', number(s?.attempts ?? 0)],
        ]
  return (
    <div className="border-line border-t px-4 py-3.5">
      <p className="font-medium">{step?.name || id}</p>
      {step?.note && <p className="text-ink-2">{step.note}</p>}
      <dl className="mt-2 grid grid-cols-2 gap-x-6 gap-y-2 sm:grid-cols-4">
        {[
          ...facts,
          ['p50', duration(l?.count ? l.p50 : null)],
          ['p95', duration(l?.count ? l.p95 : null)],
          ['p99', duration(l?.count ? l.p99 : null)],
        ].map(([label, value]) => (
          <div key={label}>
            <dt className="text-ink-3 text-xs first-letter:uppercase">{label}</dt>
            <dd className="tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      {n.failed > 0 && (
        <Link
          to={`/executions?flow=${encodeURIComponent(flow.id)}&status=failed&step=${encodeURIComponent(id)}` as never}
          className="mt-3 inline-block text-accent-ink hover:underline"
        >
          Executions that failed here
        </Link>
      )}
    </div>
  )
}
