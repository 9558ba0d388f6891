import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useRouterState } from '@tanstack/react-router'
import { Check, CheckCircle2, RefreshCw, ShieldAlert, ShieldCheck } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import { useRowKeys } from '../app/rowkeys.ts'
import { useCredentials } from '../credentials/queries.ts'
import { flowQuery, versionQuery } from '../executions/queries.ts'
import { parseJSON } from '../flow/exact.ts'
import { FlowFilter } from '../flows/filter.tsx'
import { useFlows } from '../flows/queries.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge } from '../ui/status.tsx'
import { ago, bytes, fullTime } from '../ui/time.ts'
import { tell } from '../ui/toast.tsx'
import { accept, type RejectedDetail, reasonInWords, rejectedDetailQuery, rejectedQuery, verifyCommand } from './queries.ts'

/** Requests that flows turned away: why, what they were, and a second chance. */
export function RejectedPage() {
  const search = useRouterState({ select: s => s.location.searchStr })
  const asked = useMemo(() => new URLSearchParams(search), [search])
  const flow = asked.get('flow') ?? ''
  const navigate = useNavigate()
  const flows = useFlows()
  const names = new Map((flows.data ?? []).map(f => [f.id, f.name || f.id]))
  const list = useInfiniteQuery(rejectedQuery(flow))
  const items = useMemo(() => (list.data?.pages ?? []).flatMap(p => p.items), [list.data])
  const at = items.findIndex(r => r.id === asked.get('id'))
  const chosen = at < 0 ? items[0] : items[at]
  const go = (change: Record<string, string>) => {
    const p = new URLSearchParams(search)
    for (const [k, v] of Object.entries(change)) v ? p.set(k, v) : p.delete(k)
    void navigate({ to: `/rejected${p.size ? `?${p}` : ''}` as never, replace: true })
  }
  const rows = useRef<HTMLUListElement>(null)
  const onKeyDown = useRowKeys(rows, items.length)
  return (
    <Page
      title="Rejected requests"
      about="What flows turned away within the last day, without secrets. Once the cause is mended, a request can be accepted after all."
      wide
      actions={<FlowFilter flow={flow} flows={flows.data ?? []} onChange={flow => go({ flow, id: '' })} />}
    >
      {flows.isError || list.isError ? (
        <Problem error={flows.error ?? list.error} retry={() => void (flows.refetch(), list.refetch())} />
      ) : flows.isPending || list.isPending ? (
        <Loading lines={6} />
      ) : !chosen ? (
        <Empty
          icon={<ShieldCheck />}
          title="Nothing was rejected"
          action={
            flow ? (
              <Button onClick={() => go({ flow: '' })}>Look at all flows</Button>
            ) : (
              <Link to={'/executions' as never} className="font-medium text-accent-ink underline">
                Look at what was accepted
              </Link>
            )
          }
        >
          A request with a wrong signature, a malformed body or a method that its flow does not take would be listed here within a second,
          with the exact reason.
        </Empty>
      ) : (
        <div className="grid min-w-0 gap-4 lg:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
          <Card className="min-w-0 self-start overflow-hidden">
            <ul
              ref={rows}
              aria-label="Rejected requests"
              className="max-h-72 overflow-y-auto lg:max-h-[calc(100dvh-12rem)]"
              onKeyDown={onKeyDown}
            >
              {items.map((r, i) => (
                <li key={`${r.flow} ${r.id}`} className="border-line border-b last:border-0">
                  <button
                    type="button"
                    data-row={i}
                    aria-current={r === chosen}
                    onClick={() => go({ id: r.id })}
                    className={`flex w-full items-start justify-between gap-3 px-4 py-2.5 text-left hover:bg-hover focus-visible:outline-offset-[-2px] ${r === chosen ? 'bg-accent-soft' : ''}`}
                  >
                    <span className="min-w-0">
                      <span className="block truncate font-medium">{reasonInWords(r.reason)}</span>
                      <span className="block truncate text-ink-2 text-xs">
                        {names.get(r.flow) ?? r.flow} · {r.method} <code>{r.path}</code>
                      </span>
                      <span className="block text-ink-2 text-xs" title={fullTime(r.time)}>
                        {ago(r.time)}
                      </span>
                    </span>
                    {r.execution ? <Badge tone="good">accepted</Badge> : <Badge tone="bad">{r.status}</Badge>}
                  </button>
                </li>
              ))}
            </ul>
            {list.hasNextPage && (
              <div className="border-line border-t p-2 text-center">
                <Button small look="quiet" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                  Older ones
                </Button>
              </div>
            )}
          </Card>
          <Detail key={chosen.id} flow={chosen.flow} id={chosen.id} />
        </div>
      )}
    </Page>
  )
}

function Detail({ flow, id }: { flow: string; id: string }) {
  const found = useQuery(rejectedDetailQuery(flow, id))
  if (found.isPending) return <Loading lines={5} />
  if (found.isError) return <Problem error={found.error} retry={() => void found.refetch()} />
  const r = found.data
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <Why r={r} busy={found.isFetching} again={() => void found.refetch()} />
      <Card className="min-w-0 overflow-hidden">
        <header className="border-line border-b px-4 py-3">
          <h2 className="font-semibold">Request</h2>
          <p className="break-all font-mono text-ink-2 text-xs">
            {r.method} {r.path}
            {r.query && `?${r.query}`}
          </p>
        </header>
        <div className="flex flex-col gap-4 p-4">
          <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
            {[
              ['Came', fullTime(r.time)],
              ['From', r.from || '–'],
              ['Answered', String(r.status)],
              ['Request ID', r.id],
            ].map(([label, value]) => (
              <div key={label} className="min-w-0">
                <dt className="text-ink-3 text-xs">{label}</dt>
                <dd className="truncate" title={value}>
                  {value}
                </dd>
              </div>
            ))}
          </dl>
          <section aria-label="Headers">
            <h3 className="mb-1.5 font-medium text-ink-2 text-xs">Headers</h3>
            <dl className="grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1 rounded-lg bg-sunken px-3 py-2 font-mono text-xs">
              {Object.entries(r.headers).map(([k, v]) => (
                <div key={k} className="contents">
                  <dt className="text-ink-3">{k}</dt>
                  <dd className="break-all">{v}</dd>
                </div>
              ))}
            </dl>
          </section>
          <section aria-label="Body" className="min-w-0">
            <h3 className="mb-1.5 font-medium text-ink-2 text-xs">
              Body · {bytes(r.bytes)}
              {r.contentType && ` · ${r.contentType}`}
            </h3>
            <Body r={r} />
          </section>
        </div>
      </Card>
    </div>
  )
}

/** The body as a tree where it is JSON, and as it came where it is not: that may be the cause. */
function Body({ r }: { r: RejectedDetail }) {
  const json = useMemo(() => {
    try {
      return r.body ? { value: parseJSON(r.body) } : undefined
    } catch {
      return undefined
    }
  }, [r.body])
  if (r.body === null) {
    return (
      <p className="text-ink-2">
        {r.kept
          ? 'It is no text, and is not shown. It can be accepted all the same.'
          : 'It was not kept: it is larger than 256 KiB, or did not come. Ask its sender to send it again.'}
      </p>
    )
  }
  if (r.body === '') return <p className="text-ink-2">It was empty.</p>
  if (json && typeof json.value === 'object' && json.value !== null) return <PayloadTree value={json.value} name="body" height={360} />
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard
    <pre tabIndex={0} className="max-h-96 overflow-auto whitespace-pre-wrap break-all rounded-lg bg-sunken px-3 py-2 text-xs">
      {r.body}
    </pre>
  )
}

/** Why it was turned away, what would become of it now, and what to do. */
function Why({ r, busy, again }: { r: RejectedDetail; busy: boolean; again: () => void }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [accepting, setAccepting] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const flow = useQuery(flowQuery(r.flow)).data
  const trigger = useQuery({ ...versionQuery(r.flow, flow?.version ?? 0), enabled: (flow?.version ?? 0) > 0 }).data?.trigger
  const credential = useCredentials().data?.find(c => c.id === trigger?.credential)
  const take = async () => {
    setAccepting(true)
    setError(null)
    try {
      const { id } = await accept(r)
      tell('Accepted as a new execution', { label: 'Look at it', run: () => void navigate({ to: `/executions/${id}` as never }) })
    } catch (e) {
      setError(e)
    }
    setAccepting(false)
    await Promise.all([client.invalidateQueries({ queryKey: ['rejected'] }), client.invalidateQueries({ queryKey: ['rejected-one'] })])
  }
  const signed = /^(signature|timestamp|unauthenticated|credential)/.test(r.reason)
  return (
    <Card className="min-w-0 overflow-hidden">
      <header className="flex flex-wrap items-start justify-between gap-3 border-line border-b px-4 py-3">
        <div className="min-w-0">
          <h2 className="font-semibold">{reasonInWords(r.reason)}</h2>
          <Link to={`/flows/${encodeURIComponent(r.flow)}` as never} className="text-[0.8125rem] text-accent-ink hover:underline">
            {flow?.name || r.flow}
          </Link>
        </div>
        {r.execution ? (
          <Link
            to={`/executions/${r.execution}` as never}
            className="inline-flex h-9 items-center gap-1.5 rounded-lg border border-line-strong px-3.5 text-accent-ink shadow-card hover:bg-hover"
          >
            <Check aria-hidden className="size-4" /> Accepted: its execution
          </Link>
        ) : (
          <Button look="primary" busy={accepting} disabled={!r.kept} onClick={() => void take()}>
            Accept it
          </Button>
        )}
      </header>
      <div className="flex flex-col gap-3 p-4">
        <section aria-label="Why it was rejected">
          <h3 className="font-medium text-ink-2 text-xs">Why, {ago(r.time)}</h3>
          <p className="break-words rounded-lg bg-bad-soft px-3 py-2 text-bad">{r.cause}</p>
        </section>
        {!r.execution && (
          <section aria-label="What would become of it now">
            <h3 className="flex flex-wrap items-center gap-x-2 font-medium text-ink-2 text-xs wrap-anywhere">
              With the flow{credential ? ` and the credential ${credential.name || credential.id}` : ''} as they are now
              <Button small look="quiet" busy={busy} icon={<RefreshCw aria-hidden className="size-3.5" />} onClick={again}>
                Check again
              </Button>
            </h3>
            {r.now.accepted ? (
              <p className="flex items-center gap-2 rounded-lg bg-good-soft px-3 py-2 text-good">
                <CheckCircle2 aria-hidden className="size-4 shrink-0" />
                It would be taken: the cause is mended.
              </p>
            ) : (
              <p className="flex items-start gap-2 break-words rounded-lg bg-warn-soft px-3 py-2 text-ink-2">
                <ShieldAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
                <span className="min-w-0">
                  It would still be refused: {r.now.reason?.replace(/^the cause is not mended: /, '')}
                  {r.now.remedy && <span className="block text-ink-3">What to do: {r.now.remedy}.</span>}
                </span>
              </p>
            )}
          </section>
        )}
        {error !== null && <Problem error={error} />}
        <div className="flex flex-wrap items-center gap-2">
          {signed && trigger?.credential && (
            <Link
              to={'/credentials' as never}
              className="inline-flex h-7 items-center rounded-lg border border-line-strong px-2.5 text-[0.8125rem] shadow-card hover:bg-hover"
            >
              Mend the credential
            </Link>
          )}
          {!signed && (
            <Link
              to={`/flows/${encodeURIComponent(r.flow)}/edit` as never}
              className="inline-flex h-7 items-center rounded-lg border border-line-strong px-2.5 text-[0.8125rem] shadow-card hover:bg-hover"
            >
              Edit the flow
            </Link>
          )}
          {signed && credential && flow && (
            <CopyButton small text={() => verifyCommand(r, flow.hookUrl, credential.type)} name="command" label="Copy as sluice verify" />
          )}
        </div>
      </div>
    </Card>
  )
}
