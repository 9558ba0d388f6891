// biome-ignore-all lint/a11y/useSemanticElements: a list of a million rows is no <table>; its roles say that it is one
// biome-ignore-all lint/a11y/useFocusableInteractive: the links in its rows take the focus

import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowUp, History, ScrollText, Search, X } from 'lucide-react'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { exact } from '../api/client.ts'
import { useRowKeys } from '../app/rowkeys.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { FlowFilter } from '../flows/filter.tsx'
import { useFlows } from '../flows/queries.ts'
import { useCatchUp } from '../live/news.ts'
import { type LiveState, useLive } from '../live/stream.ts'
import { replayOfFilters } from '../replays/request.ts'
import { Button } from '../ui/button.tsx'
import { Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { ExecutionBadge, executionFaces } from '../ui/status.tsx'
import { duration, fullTime, shortTime } from '../ui/time.ts'
import { encode, type Filters, isFiltered, none, searchFor, shows, statuses } from './filters.ts'
import { useFilters } from './search.ts'
import type { Execution } from './types.ts'

interface PageOf {
  items: Execution[]
  next: string
}

const spans = [
  ['', 'Any time'],
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['168h', 'Last 7 days'],
] as const

/** Rows and live news in one list: the news replaces a row that it is about. */
export function merged(rows: Execution[], news: ReadonlyMap<string, Execution>, filters: Filters): Execution[] {
  const seen = new Set(rows.map(r => r.id))
  const updated = rows.map(r => newer(news.get(r.id), r))
  const fresh = [...news.values()].filter(x => !seen.has(x.id) && shows(filters, x))
  if (fresh.length === 0) return updated
  return [...fresh, ...updated].sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0))
}

// An ended execution has ended, in whatever order one hears of it.
const newer = (a: Execution | undefined, b: Execution) => (a && (!b.endedAt || a.endedAt) ? a : b)

export function LiveDot({ state, paused }: { state: LiveState; paused?: boolean }) {
  const face = paused
    ? { text: 'Paused while you read', dot: 'bg-warn' }
    : {
        live: { text: 'Live', dot: 'bg-good' },
        connecting: { text: 'Connecting', dot: 'bg-warn' },
        away: { text: 'Reconnecting', dot: 'bg-bad' },
      }[state]
  return (
    <span className="inline-flex items-center gap-2 text-[0.8125rem] text-ink-2" role="status">
      <span aria-hidden className={`size-2 rounded-full ${face.dot} ${state === 'live' && !paused ? 'animate-pulse' : ''}`} />
      {face.text}
    </span>
  )
}

const isMoment = (text: string) => /^\d{4}-/.test(text)

/** A time of the calendar, in the reader's own zone. */
function Moment({ label, value, onChange }: { label: string; value: string; onChange: (iso: string) => void }) {
  const at = isMoment(value) ? new Date(value) : undefined
  const local = at && !Number.isNaN(at.getTime()) ? new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19) : ''
  return (
    <input
      type="datetime-local"
      step={1}
      aria-label={label}
      value={local}
      onChange={e => onChange(e.target.value ? new Date(e.target.value).toISOString() : '')}
      className="h-9 rounded-lg border border-line-strong bg-surface px-2.5 text-[0.8125rem]"
    />
  )
}

/** Filters that have no field of their own: each is shown, and goes by a click. */
const chips = (f: Filters): [keyof Filters, string][] =>
  (
    [
      ['step', `Failed at ${f.step}`],
      ['until', isMoment(f.until) ? '' : `Before ${f.until}`],
      ['replayOf', `Repeats of ${f.replayOf.slice(0, 13)}…`],
      ['replay', `Of replay ${f.replay}`],
    ] as [keyof Filters, string][]
  ).filter(([key, said]) => f[key] && said)

const rowHeight = 52

export function RunLog() {
  const [filters, setFilters] = useFilters('/executions')
  const flows = useFlows().data ?? []
  const names = useMemo(() => new Map(flows.map(f => [f.id, f.name || f.id])), [flows])
  const client = useQueryClient()
  const navigate = useNavigate()
  const key = ['executions', encode(filters)]
  const list = useInfiniteQuery({
    queryKey: key,
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => {
      const p = new URLSearchParams(encode(filters))
      p.set('limit', '60')
      if (pageParam) p.set('cursor', pageParam)
      return (await exact<PageOf>('GET', `/executions?${p}`, { signal })).data
    },
    getNextPageParam: last => last.next || undefined,
    staleTime: 0,
    refetchOnWindowFocus: false,
    placeholderData: keepPreviousData, // what was shown stays until there is something else
  })
  const [news, setNews] = useState<ReadonlyMap<string, Execution>>(new Map())
  const [held, setHeld] = useState<Execution[]>([])
  const [reading, setReading] = useState(false)
  const scroll = useRef<HTMLDivElement>(null)
  const searchBox = useRef<HTMLInputElement>(null)
  const take = (xs: Execution[]) =>
    setNews(n => {
      const next = new Map(n)
      for (const x of xs) next.set(x.id, next.has(x.id) ? newer(x, next.get(x.id)!) : x)
      return next
    })
  useCatchUp(key)
  const state = useLive(
    { flow: filters.flow },
    {
      execution: x => (reading ? setHeld(h => [...h, x].slice(-2000)) : take([x])),
      lost: () => void client.invalidateQueries({ queryKey: key }),
    },
  )
  // biome-ignore lint/correctness/useExhaustiveDependencies: another view has other news
  useEffect(() => {
    setNews(new Map())
    setHeld([])
  }, [encode(filters)])
  const rows = useMemo(() => merged(list.data?.pages.flatMap(p => p.items) ?? [], news, filters), [list.data, news, filters])
  const heldNew = useMemo(() => {
    const known = new Set(rows.map(r => r.id))
    return new Set(held.filter(x => !known.has(x.id) && shows(filters, x)).map(x => x.id)).size
  }, [held, rows, filters])
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 8 })
  const last = virtual.getVirtualItems().at(-1)?.index ?? 0
  const { hasNextPage, isFetchingNextPage, isPlaceholderData, fetchNextPage } = list
  useEffect(() => {
    if (last >= rows.length - 20 && hasNextPage && !isFetchingNextPage && !isPlaceholderData) void fetchNextPage()
  }, [last, rows.length, hasNextPage, isFetchingNextPage, isPlaceholderData, fetchNextPage])
  const release = () => {
    take(held)
    setHeld([])
    setReading(false)
    scroll.current?.scrollTo({ top: 0 })
  }
  useShortcut('/', () => searchBox.current?.focus(), { label: 'Search the run log' })
  const searched = filters.field || filters.q
  const [text, setText] = useState(searched)
  useEffect(() => setText(searched), [searched])
  const between = isMoment(filters.since) || isMoment(filters.until)
  const show = useCallback((i: number) => virtual.scrollToIndex(i), [virtual])
  const onKeyDown = useRowKeys(scroll, rows.length, show)

  return (
    <Page
      title="Run log"
      about="Every execution, the newest first. Click a flow’s name for all that happened."
      actions={
        <>
          <LiveDot state={state} paused={reading} />
          <Link
            to={replayOfFilters(filters) as never}
            className="inline-flex h-9 items-center gap-1.5 rounded-lg border border-line-strong bg-surface px-3.5 shadow-card hover:bg-hover"
          >
            <History aria-hidden className="size-4" />
            Replay these
          </Link>
        </>
      }
      wide
    >
      <search aria-label="Filters" className="flex flex-wrap items-center gap-2">
        <form
          className="relative min-w-0 flex-[1_1_16rem]"
          onSubmit={e => {
            e.preventDefault()
            setFilters(searchFor(text))
          }}
        >
          <Search aria-hidden className="pointer-events-none absolute top-2.5 left-3 size-4 text-ink-3" />
          <input
            ref={searchBox}
            type="search"
            aria-label="Search in bodies and errors"
            placeholder="Text in bodies and errors, or body.customer.id=42"
            value={text}
            onChange={e => setText(e.target.value)}
            onBlur={() => text !== searched && setFilters(searchFor(text))}
            className="h-9 w-full rounded-lg border border-line-strong bg-surface pr-3 pl-9"
          />
        </form>
        <FlowFilter flow={filters.flow} flows={flows} onChange={flow => setFilters({ flow })} />
        <select
          aria-label="Time"
          value={between ? 'between' : filters.since}
          onChange={e =>
            e.target.value === 'between'
              ? setFilters({ since: new Date(Date.now() - 3_600_000).toISOString(), until: new Date().toISOString() })
              : setFilters({ since: e.target.value, until: '' })
          }
          className="h-9 rounded-lg border border-line-strong bg-surface px-2.5"
        >
          {spans.map(([v, label]) => (
            <option key={v} value={v}>
              {label}
            </option>
          ))}
          <option value="between">Between…</option>
          {!between && !spans.some(([v]) => v === filters.since) && <option value={filters.since}>Since {filters.since}</option>}
        </select>
        {between && (
          <>
            <Moment label="From" value={filters.since} onChange={since => setFilters({ since })} />
            <Moment label="To" value={filters.until} onChange={until => setFilters({ until })} />
          </>
        )}
        <input
          aria-label="Execution ID begins with"
          placeholder="ID begins with"
          defaultValue={filters.id}
          key={filters.id}
          pattern="[0-9a-fA-F\-]*"
          onKeyDown={e => e.key === 'Enter' && e.currentTarget.validity.valid && setFilters({ id: e.currentTarget.value })}
          onBlur={e => e.currentTarget.validity.valid && e.currentTarget.value !== filters.id && setFilters({ id: e.currentTarget.value })}
          className="h-9 w-36 rounded-lg border border-line-strong bg-surface px-2.5 font-mono text-[0.8125rem]"
        />
        <fieldset className="flex flex-wrap gap-1.5" aria-label="Status">
          {statuses.map(s => {
            const on = filters.status.includes(s)
            return (
              <button
                key={s}
                type="button"
                aria-pressed={on}
                onClick={() => setFilters({ status: on ? filters.status.filter(x => x !== s) : [...filters.status, s] })}
                className={`h-7 rounded-full border px-2.5 text-xs ${on ? 'border-accent bg-accent-soft font-medium text-accent-ink' : 'border-line-strong text-ink-2 hover:bg-hover'}`}
              >
                {executionFaces[s].label}
              </button>
            )
          })}
        </fieldset>
        {isFiltered(filters) && (
          <Button small look="quiet" icon={<X aria-hidden className="size-3.5" />} onClick={() => setFilters({ ...none, status: [] })}>
            Clear
          </Button>
        )}
        {chips(filters).map(([key, said]) => (
          <button
            key={key}
            type="button"
            onClick={() => setFilters({ [key]: '' })}
            className="inline-flex h-7 items-center gap-1.5 rounded-full border border-accent bg-accent-soft px-2.5 text-accent-ink text-xs"
          >
            {said}
            <X aria-label="remove this filter" className="size-3" />
          </button>
        ))}
      </search>
      {list.isPending || (isPlaceholderData && rows.length === 0) ? (
        <Loading lines={8} />
      ) : list.isError ? (
        <Problem error={list.error} retry={() => void list.refetch()} />
      ) : rows.length === 0 ? (
        <Empty
          icon={<ScrollText />}
          title={isFiltered(filters) ? 'Nothing matches these filters' : 'Nothing has run yet'}
          action={
            isFiltered(filters) ? (
              <Button onClick={() => setFilters({ ...none, status: [] })}>Clear the filters</Button>
            ) : (
              <Link to="/flows" className="font-medium text-accent-ink underline">
                Go to the flows
              </Link>
            )
          }
        >
          {isFiltered(filters)
            ? 'Search looks for words in bodies and for any part of an error. New executions that match appear here by themselves.'
            : 'Start a flow and send a request to its URL: it appears here within a second.'}
        </Empty>
      ) : (
        <div className="relative">
          {heldNew > 0 && (
            <div className="absolute inset-x-0 top-12 z-10 flex justify-center">
              <Button look="primary" small icon={<ArrowUp aria-hidden className="size-3.5" />} onClick={release}>
                {heldNew === 1 ? '1 new execution' : `${heldNew} new executions`}
              </Button>
            </div>
          )}
          <div
            ref={scroll}
            role="table"
            aria-label="Executions"
            data-view={isPlaceholderData ? undefined : encode(filters)}
            aria-busy={isPlaceholderData}
            aria-rowcount={rows.length}
            className="h-[calc(100dvh-17.5rem)] min-h-72 overflow-auto rounded-xl border border-line bg-surface shadow-card"
            onScroll={e => {
              const away = e.currentTarget.scrollTop > rowHeight
              if (away !== reading) {
                setReading(away)
                if (!away && held.length) release()
              }
            }}
            onKeyDown={onKeyDown}
          >
            <div role="rowgroup" className="sticky top-0 z-[1] border-b border-line bg-surface">
              <div role="row" className={`${columns} h-9 text-xs font-medium text-ink-3`}>
                <span role="columnheader">Flow</span>
                <span role="columnheader">Status</span>
                <span role="columnheader" className="hidden sm:block">
                  Started
                </span>
                <span role="columnheader" className="hidden text-right md:block">
                  Duration
                </span>
                <span role="columnheader" className="hidden lg:block">
                  Error
                </span>
                <span role="columnheader" className="hidden text-right xl:block">
                  Execution
                </span>
              </div>
            </div>
            <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
              {virtual.getVirtualItems().map(v => {
                const x = rows[v.index]!
                return (
                  // biome-ignore lint/a11y/useKeyWithClickEvents: the row's link is what the keyboard uses
                  <div
                    key={x.id}
                    role="row"
                    data-row={v.index}
                    data-id={x.id}
                    onClick={e =>
                      !(e.target as HTMLElement).closest('a') &&
                      !getSelection()?.toString() &&
                      void navigate({ to: '/executions/$id' as never, params: { id: x.id } as never })
                    }
                    className={`${columns} absolute left-0 w-full cursor-pointer border-b border-line hover:bg-hover`}
                    style={{ height: rowHeight, transform: `translateY(${v.start}px)` }}
                  >
                    <span role="cell" className="min-w-0">
                      <Link
                        to={`/executions/${x.id}` as never}
                        className="block truncate font-medium text-ink hover:text-accent-ink hover:underline"
                      >
                        {names.get(x.flow) ?? x.flow}
                      </Link>
                      <span className="flex items-center gap-1 truncate text-xs text-ink-3">
                        {x.version ? `version ${x.version}` : 'not run yet'}
                        {x.replayOf && (
                          <>
                            <History aria-hidden className="ml-1 size-3" /> {x.replay ? 'replay' : 'retry'}
                          </>
                        )}
                        <span className="sm:hidden">· {shortTime(x.startedAt)}</span>
                      </span>
                    </span>
                    <span role="cell">
                      <ExecutionBadge status={x.status} />
                    </span>
                    <span role="cell" className="hidden truncate text-ink-2 tabular-nums sm:block" title={fullTime(x.startedAt)}>
                      {shortTime(x.startedAt)}
                    </span>
                    <span role="cell" className="hidden text-right text-ink-2 tabular-nums md:block">
                      {duration(x.durationMs)}
                    </span>
                    <span role="cell" className="hidden truncate text-bad lg:block" title={x.error ?? undefined}>
                      {x.error}
                    </span>
                    <span role="cell" className="hidden truncate text-right font-mono text-xs text-ink-3 xl:block">
                      {x.id.slice(0, 18)}…
                    </span>
                  </div>
                )
              })}
            </div>
          </div>
          <p className="mt-2 text-xs text-ink-3">
            {rows.length} shown{hasNextPage ? ', more below' : ', that is all'}
            {isFetchingNextPage ? '; loading…' : ''}
          </p>
        </div>
      )}
    </Page>
  )
}

const columns =
  'grid grid-cols-[minmax(0,1fr)_8rem] items-center gap-3 px-4 sm:grid-cols-[minmax(0,1fr)_8rem_9rem] md:grid-cols-[minmax(0,1fr)_8rem_9rem_6rem] lg:grid-cols-[minmax(0,1fr)_8rem_9rem_6rem_minmax(0,1.2fr)] xl:grid-cols-[minmax(0,1fr)_8rem_9rem_6rem_minmax(0,1.2fr)_11rem]'
