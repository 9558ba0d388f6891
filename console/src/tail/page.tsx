// biome-ignore-all lint/a11y/useSemanticElements: a long list is no <table>; its roles say that it is one
// biome-ignore-all lint/a11y/useFocusableInteractive: the links in its rows take the focus

import { Link, useNavigate, useRouterState } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { Activity, ArrowUp, CornerDownRight, Pause, Play, Search, Trash2, Webhook, X } from 'lucide-react'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { noAnswer } from '../api/away.ts'
import { useRowKeys } from '../app/rowkeys.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { LiveDot } from '../executions/list.tsx'
import { FlowFilter } from '../flows/filter.tsx'
import { useFlows } from '../flows/queries.ts'
import type { LiveState } from '../live/stream.ts'
import { Button } from '../ui/button.tsx'
import { Chip } from '../ui/chip.tsx'
import { Empty, Page } from '../ui/page.tsx'
import { ExecutionBadge, StepBadge } from '../ui/status.tsx'
import { bytes, duration, fullTime, number } from '../ui/time.ts'
import { asked, decode, empty, encode, heard, heldBack, inWords, kinds, type Tail, type TailEvent, type TailFilters } from './events.ts'

// Narrow, a line has two: whose it is, and what it is.
const rowHeight = matchMedia('(min-width: 640px)').matches ? 40 : 56

/** Follows the stream while the page is shown; a lost connection is made again. */
function useTail(search: string, paused: boolean): [Tail, LiveState, (change: (t: Tail) => Tail) => void] {
  const [tail, setTail] = useState(empty)
  const [state, setState] = useState<LiveState>('connecting')
  const reading = useRef(paused)
  reading.current = paused
  useEffect(() => {
    setTail(empty)
    setState('connecting')
    let again: ReturnType<typeof setTimeout> | undefined
    let source: EventSource
    const connect = () => {
      source = new EventSource(`/api/v1/tail?${search}`)
      source.addEventListener('ready', () => setState('live'))
      source.addEventListener('events', e => {
        const events = JSON.parse(e.data) as TailEvent[]
        setTail(t => heard(t, events, reading.current))
      })
      source.addEventListener('held', e => {
        const held = JSON.parse(e.data) as Record<string, number>
        if (Object.keys(held).length) setTail(t => heldBack(t, held))
      })
      source.onerror = () => {
        setState('away')
        noAnswer()
        if (source.readyState !== EventSource.CLOSED) return
        clearTimeout(again)
        again = setTimeout(connect, 1000)
      }
    }
    connect()
    return () => {
      clearTimeout(again)
      source.close()
    }
  }, [search])
  return [tail, state, setTail]
}

/** What happens, as it happens. */
export function TailPage() {
  const search = useRouterState({ select: s => s.location.searchStr })
  const filters = useMemo(() => decode(search), [search])
  const navigate = useNavigate()
  const set = (change: Partial<TailFilters>) => void navigate({ to: `/tail${encode({ ...filters, ...change })}` as never, replace: true })
  const found = useFlows()
  const flows = found.data ?? []
  const names = new Map(flows.map(f => [f.id, f.name || f.id]))
  const [paused, setPaused] = useState(false)
  const [away, setAway] = useState(false)
  const [tail, state, change] = useTail(asked(filters), paused || away)
  // A flow that was made while the page is open has a name, too.
  const unknown = tail.shown[0] && found.data && !names.has(tail.shown[0].flow) ? tail.shown[0].flow : ''
  useEffect(() => void (unknown && found.refetch()), [unknown, found.refetch])
  const [text, setText] = useState(filters.q)
  useEffect(() => setText(filters.q), [filters.q])
  const scroll = useRef<HTMLDivElement>(null)
  const searchBox = useRef<HTMLInputElement>(null)
  const virtual = useVirtualizer({
    count: tail.shown.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowHeight,
    overscan: 8,
  })
  const show = useCallback((i: number) => virtual.scrollToIndex(i), [virtual])
  const onKeyDown = useRowKeys(scroll, tail.shown.length, show)
  const release = () => {
    setPaused(false)
    setAway(false)
    change(t => heard(t, [], false))
    scroll.current?.scrollTo({ top: 0 })
  }
  useShortcut(' ', () => (paused ? release() : setPaused(true)), { label: 'Pause or go on' })
  useShortcut('/', () => searchBox.current?.focus(), { label: 'Filter by text' })
  const held = inWords(tail.held, number)
  return (
    <Page
      title="Live tail"
      about="Hooks, steps and executions as they happen. It waits while you read."
      wide
      actions={
        <>
          <LiveDot state={state} paused={paused || away} />
          <Button
            icon={paused ? <Play aria-hidden className="size-4" /> : <Pause aria-hidden className="size-4" />}
            onClick={() => (paused ? release() : setPaused(true))}
          >
            {paused ? 'Go on' : 'Pause'}
          </Button>
          <Button
            look="quiet"
            icon={<Trash2 aria-hidden className="size-4" />}
            disabled={tail.shown.length === 0}
            onClick={() => change(() => empty)}
          >
            Clear
          </Button>
        </>
      }
    >
      <search aria-label="Filters" className="flex flex-wrap items-center gap-2">
        <form
          className="relative min-w-0 flex-[1_1_14rem]"
          onSubmit={e => {
            e.preventDefault()
            set({ q: text })
          }}
        >
          <Search aria-hidden className="pointer-events-none absolute top-2.5 left-3 size-4 text-ink-3" />
          <input
            ref={searchBox}
            type="search"
            aria-label="Text in it"
            placeholder="Text in a path, a body’s beginning, a step or an error"
            value={text}
            onChange={e => setText(e.target.value)}
            onBlur={() => text !== filters.q && set({ q: text })}
            className="h-9 w-full rounded-lg border border-line-strong bg-surface pr-3 pl-9"
          />
        </form>
        <FlowFilter flow={filters.flow} flows={flows} onChange={flow => set({ flow })} />
        <fieldset className="flex flex-wrap gap-1.5" aria-label="What is shown">
          {kinds.map(k => (
            <Chip
              key={k}
              on={filters.kind.includes(k)}
              onClick={() => set({ kind: filters.kind.includes(k) ? filters.kind.filter(x => x !== k) : [...filters.kind, k] })}
            >
              {{ hook: 'Hooks', step: 'Steps', execution: 'Executions' }[k]}
            </Chip>
          ))}
          <Chip on={filters.failed} onClick={() => set({ failed: !filters.failed })}>
            Only errors
          </Chip>
        </fieldset>
        {encode(filters) && (
          <Button
            small
            look="quiet"
            icon={<X aria-hidden className="size-3.5" />}
            onClick={() => set({ flow: '', kind: [], failed: false, q: '' })}
          >
            Clear filters
          </Button>
        )}
      </search>
      {held && (
        <p role="status" className="rounded-lg bg-warn-soft px-3 py-2 text-ink-2">
          {held} left out: more than anybody reads. Narrow the filters, or look in the run log, which has all of them.
        </p>
      )}
      {tail.shown.length === 0 && tail.waiting.length === 0 ? (
        <Empty icon={<Activity />} title={state === 'live' ? 'Waiting for something to happen' : 'Connecting'}>
          Send a request to a running flow’s URL: the hook, each step and the execution’s end show here within a second.
          {filters.failed && ' Only errors are shown: hooks and what succeeds are not.'}
        </Empty>
      ) : (
        <div className="relative">
          {tail.waiting.length > 0 && (
            <button
              type="button"
              onClick={release}
              className="-translate-x-1/2 absolute top-2 left-1/2 z-10 inline-flex h-8 items-center gap-1.5 rounded-full bg-accent px-3.5 text-[0.8125rem] text-on-accent shadow-pop"
            >
              <ArrowUp aria-hidden className="size-3.5" />
              {number(tail.waiting.length)} new
            </button>
          )}
          <div
            ref={scroll}
            role="table"
            aria-label="What happens"
            aria-rowcount={tail.shown.length}
            onKeyDown={onKeyDown}
            onScroll={e => {
              const now = e.currentTarget.scrollTop > rowHeight
              if (now === away) return
              setAway(now)
              if (!now && !paused) change(t => heard(t, [], false))
            }}
            className="h-[calc(100dvh-15.5rem)] min-h-72 overflow-auto rounded-xl border border-line bg-surface shadow-card"
          >
            <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
              {virtual.getVirtualItems().map(v => {
                const e = tail.shown[v.index]!
                return (
                  <div
                    key={v.key}
                    role="row"
                    data-row={v.index}
                    className="absolute left-0 flex w-full items-center gap-3 border-line border-b px-4 hover:bg-hover"
                    style={{ height: rowHeight, transform: `translateY(${v.start}px)` }}
                  >
                    <Line e={e} name={names.get(e.flow) ?? e.flow} />
                  </div>
                )
              })}
            </div>
          </div>
        </div>
      )}
    </Page>
  )
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
})

function Line({ e, name }: { e: TailEvent; name: string }) {
  return (
    <>
      <span role="cell" className="hidden w-24 shrink-0 text-ink-3 text-xs tabular-nums sm:block" title={fullTime(e.at)}>
        {clock.format(new Date(e.at))}
      </span>
      <span role="cell" className="shrink-0">
        {e.kind === 'hook' ? (
          <Webhook aria-label="hook" className="size-4 text-accent-ink" />
        ) : e.kind === 'step' ? (
          <CornerDownRight aria-label="step" className="size-4 text-ink-3" />
        ) : (
          <Activity aria-label="execution" className="size-4 text-violet" />
        )}
      </span>
      <span role="cell" className="flex min-w-0 flex-1 flex-col sm:flex-row sm:items-center sm:gap-3">
        <span className="min-w-0 truncate sm:w-44 sm:shrink-0">
          <Link
            to={`/executions/${e.execution}` as never}
            className="font-medium hover:text-accent-ink hover:underline"
            title={e.execution}
          >
            {name}
          </Link>
        </span>
        <span className="flex min-w-0 items-baseline gap-2 truncate text-[0.8125rem] sm:flex-1">
          {e.kind === 'hook' ? (
            <>
              <code className="truncate text-ink-2 sm:shrink-0">
                {e.method} {e.path}
              </code>
              <code className="truncate text-ink-3">{e.preview}</code>
            </>
          ) : e.kind === 'step' ? (
            <>
              <span className="shrink-0 text-ink-2">
                {e.name || e.step}
                {e.iteration ? ` #${e.iteration}` : ''}
              </span>
              {(e.attempt ?? 0) > 1 && <span className="shrink-0 text-warn">attempt {e.attempt}</span>}
              {e.httpStatus ? <span className="shrink-0 text-ink-3">HTTP {e.httpStatus}</span> : null}
              <span className="truncate text-bad">{e.error}</span>
            </>
          ) : (
            <span className="truncate text-bad">{e.error}</span>
          )}
        </span>
      </span>
      <span role="cell" className="hidden w-20 shrink-0 text-right text-ink-3 text-xs tabular-nums md:block">
        {e.kind === 'hook' ? bytes(e.bytes ?? 0) : duration(e.durationMs ?? 0)}
      </span>
      <span role="cell" className="flex w-28 shrink-0 justify-end">
        {e.kind === 'execution' ? (
          <ExecutionBadge status={e.status ?? ''} />
        ) : e.kind === 'step' ? (
          <StepBadge status={e.status ?? ''} />
        ) : (
          <span className="text-ink-3 text-xs">{e.replayOf ? 'again' : 'accepted'}</span>
        )}
      </span>
    </>
  )
}
