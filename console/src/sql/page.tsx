import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Database, Download, History, Play, Save } from 'lucide-react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { exact } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { TextArea } from '../ui/field.tsx'
import { Keys } from '../ui/menu.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { tell, tellError } from '../ui/toast.tsx'
import { examples, views } from './examples.ts'
import { SaveDialog, type Saved, SavedList, savedQueries, saveNew, saveOver } from './saved.tsx'
import { chartOf, csv, type Result, replayable } from './shape.ts'
import { ResultTable } from './table.tsx'

const ResultChart = lazy(() => import('./chart.tsx').then(m => ({ default: m.ResultChart })))

const inURL = () => new URLSearchParams(location.search).get('q') ?? ''
const openInURL = () => new URLSearchParams(location.search).get('saved') ?? undefined

/** SQL over the history. The statement is in the address, so that a question can be sent to somebody. */
export function SqlPage() {
  const [sql, setSql] = useState(inURL() || examples[0]!.sql)
  const [view, setView] = useState<'chart' | 'table'>('chart')
  const [openID, setOpenID] = useState(openInURL)
  const [naming, setNaming] = useState(false)
  const client = useQueryClient()
  const open = useQuery(savedQueries).data?.find(q => q.id === openID)
  const run = useMutation({
    mutationFn: async (statement: string) => (await exact<Result>('POST', '/query', { body: { sql: statement } })).data,
  })
  const show = (statement: string, saved = openID) =>
    history.replaceState(history.state, '', `?${new URLSearchParams({ ...(saved ? { saved } : {}), q: statement })}`)
  const ask = (statement: string, saved = openID) => {
    if (!statement.trim() || (run.isPending && statement === run.variables)) return // the last one asked is the one shown
    show(statement, saved)
    run.mutate(statement)
  }
  const openSaved = (q: Saved) => {
    setOpenID(q.id)
    setSql(q.sql)
    ask(q.sql, q.id)
  }
  const save = async () => {
    if (!open) return setNaming(true)
    try {
      await saveOver({ ...open, sql })
      await client.invalidateQueries({ queryKey: ['queries'] })
      tell(`${open.name} saved`)
    } catch (e) {
      tellError(e)
    }
  }
  // A link to a saved query alone shows what it says now.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is there
  useEffect(() => {
    if (open && !inURL()) openSaved(open)
  }, [open?.id])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a question that came with the address is asked once
  useEffect(() => {
    if (inURL()) ask(inURL())
  }, [])
  const chart = run.data ? chartOf(run.data) : null
  const again = run.data && run.variables ? replayable(run.data, run.variables) : ''

  return (
    <Page
      title="SQL"
      about="Ask the history: every hook, execution, step and attempt. Statements only read, within 30 seconds and 10,000 rows."
    >
      <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_17rem]">
        <div className="flex min-w-0 flex-col gap-5">
          <Card className="overflow-hidden">
            <div className="p-3 pb-0">
              <TextArea
                label="Statement"
                hideLabel
                rows={Math.min(16, Math.max(6, sql.split('\n').length + 1))}
                value={sql}
                onChange={e => setSql(e.target.value)}
                onKeyDown={e => {
                  if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
                    e.preventDefault()
                    ask(sql)
                  }
                }}
                className="resize-y font-mono text-[0.8125rem]"
              />
            </div>
            <div className="flex flex-wrap items-center gap-2 p-3">
              <Button look="primary" busy={run.isPending} icon={<Play aria-hidden className="size-4" />} onClick={() => ask(sql)}>
                Run
              </Button>
              <span className="text-[0.8125rem] text-ink-3">
                <Keys>Ctrl</Keys> <Keys>Enter</Keys>
              </span>
              <span className="flex-1" />
              {open && open.sql !== sql && <span className="text-[0.8125rem] text-ink-3">{open.name}, changed</span>}
              {(!open || open.sql !== sql) && (
                <Button icon={<Save aria-hidden className="size-4" />} disabled={!sql.trim()} onClick={() => void save()}>
                  Save
                </Button>
              )}
              {open && (
                <Button look="quiet" onClick={() => setNaming(true)}>
                  Save as…
                </Button>
              )}
              <CopyButton name="the statement" text={() => sql} />
            </div>
          </Card>

          {run.isPending && <Loading lines={3} />}
          {run.isError && <Problem error={run.error} />}
          {run.data && !run.isPending && (
            <Card className="overflow-hidden">
              <header className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-2.5">
                <p className="text-ink-2" role="status">
                  <strong className="font-semibold text-ink">{run.data.statistics.rows.toLocaleString('en')}</strong>{' '}
                  {run.data.statistics.rows === 1 ? 'row' : 'rows'} in {Math.round(run.data.statistics.elapsedMs)} ms
                  {run.data.truncated && <span className="text-warn"> · there are more: narrow it down, or add LIMIT</span>}
                </p>
                <span className="flex-1" />
                {chart && (
                  <fieldset aria-label="Shown as" className="flex rounded-lg border border-line-strong p-0.5">
                    {(['chart', 'table'] as const).map(v => (
                      <button
                        key={v}
                        type="button"
                        aria-pressed={view === v}
                        onClick={() => setView(v)}
                        className="rounded-md px-2.5 py-0.5 text-[0.8125rem] text-ink-2 aria-pressed:bg-accent-soft aria-pressed:font-medium aria-pressed:text-accent-ink"
                      >
                        {v === 'chart' ? 'Chart' : 'Table'}
                      </button>
                    ))}
                  </fieldset>
                )}
                {again && (
                  <Link
                    to={`/replays/new?${new URLSearchParams({ sql: again })}` as never}
                    className="inline-flex h-7 items-center gap-1.5 rounded-lg border border-line-strong bg-surface px-2.5 text-[0.8125rem] shadow-card hover:bg-hover"
                  >
                    <History aria-hidden className="size-3.5" />
                    Replay these
                  </Link>
                )}
                <Button
                  small
                  icon={<Download aria-hidden className="size-3.5" />}
                  onClick={() => {
                    const link = document.createElement('a')
                    link.href = URL.createObjectURL(new Blob([csv(run.data)], { type: 'text/csv' }))
                    link.download = 'result.csv'
                    link.click()
                    URL.revokeObjectURL(link.href)
                  }}
                >
                  CSV
                </Button>
              </header>
              {run.data.rows.length === 0 ? (
                <p className="px-4 py-8 text-center text-ink-3">No rows: nothing fits the statement.</p>
              ) : chart && view === 'chart' ? (
                <Suspense fallback={<Loading lines={2} />}>
                  <ResultChart result={run.data} chart={chart} />
                </Suspense>
              ) : (
                <ResultTable result={run.data} />
              )}
            </Card>
          )}
          {run.isIdle && (
            <Empty icon={<Database />} title="Run the statement, or begin with an example">
              The answer is a table, and a chart where it has a time or a word beside a number.
            </Empty>
          )}
        </div>

        <aside className="flex min-w-0 flex-col gap-5">
          <SavedList
            open={openID}
            onOpen={openSaved}
            onGone={q => {
              if (q.id !== openID) return
              setOpenID(undefined)
              history.replaceState(history.state, '', `?${new URLSearchParams({ q: sql })}`)
            }}
          />
          <section>
            <h2 className="mb-2 text-[0.8125rem] font-semibold text-ink-2">Examples</h2>
            <ul className="flex flex-col gap-1">
              {examples.map(e => (
                <li key={e.title}>
                  <button
                    type="button"
                    onClick={() => (setOpenID(undefined), setSql(e.sql), ask(e.sql, ''))}
                    className="w-full rounded-lg border border-line bg-surface px-3 py-2 text-left text-ink-2 transition-colors hover:border-line-strong hover:bg-hover hover:text-ink"
                  >
                    {e.title}
                  </button>
                </li>
              ))}
            </ul>
          </section>
          <section>
            <h2 className="mb-2 text-[0.8125rem] font-semibold text-ink-2">What there is to ask</h2>
            {views.map(v => (
              <details key={v.name} className="border-b border-line py-1.5">
                <summary className="font-mono text-[0.8125rem] font-medium">
                  {v.name} <span className="font-sans font-normal text-ink-3">{v.about}</span>
                </summary>
                <Columns view={v.name} />
              </details>
            ))}
          </section>
        </aside>
      </div>
      {naming && (
        <SaveDialog
          title={open ? 'Save as another query' : 'Save query'}
          query={{ id: '', name: open ? `${open.name} (copy)` : '', note: open?.note, sql }}
          save={saveNew}
          onClose={() => setNaming(false)}
          onSaved={q => {
            setNaming(false)
            setOpenID(q.id)
            show(sql, q.id)
            tell(`${q.name} saved`)
          }}
        />
      )}
    </Page>
  )
}

function Columns({ view }: { view: string }) {
  const [columns, setColumns] = useState<[string, string][]>()
  return (
    <div
      ref={el => {
        if (!el || columns) return
        const details = el.closest('details')
        const read = () =>
          void exact<Result>('POST', '/query', { body: { sql: `DESCRIBE ${view}` } }).then(
            r => setColumns(r.data.rows.map(row => [String(row[0]), String(row[1])])),
            () => {},
          )
        if (details?.open) read()
        else details?.addEventListener('toggle', read, { once: true })
      }}
      className="mt-1.5 mb-1 flex flex-col gap-0.5 pl-3"
    >
      {columns?.map(([name, type]) => (
        <div key={name} className="flex justify-between gap-3 text-[0.8125rem]">
          <code>{name}</code>
          <span className="truncate text-ink-3" title={type}>
            {type}
          </span>
        </div>
      ))}
    </div>
  )
}
