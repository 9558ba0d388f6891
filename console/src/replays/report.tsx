import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { ArrowRight, CheckCircle2, RotateCw } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { SideBySide } from '../executions/compare.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Card, Empty, Loading, Problem } from '../ui/page.tsx'
import { Badge, ExecutionBadge, StepBadge } from '../ui/status.tsx'
import { number } from '../ui/time.ts'
import { KindBadge, kinds } from './faces.tsx'
import { type Difference, differenceQuery, isGoing, type Replay } from './queries.ts'

/** What a dry run found: by kind of difference, then the executions, then one side by side. */
export function Report({ replay: r, report }: { replay: Replay; report: NonNullable<Replay['report']> }) {
  const [group, setGroup] = useState<string>()
  const [shown, setShown] = useState<string>()
  const navigate = useNavigate()
  const again = (g?: string) => {
    const p = new URLSearchParams({ changedIn: r.id, version: r.version, dryRun: 'false' })
    if (r.selection.flow) p.set('flow', r.selection.flow)
    if (g) p.set('group', g)
    void navigate({ to: `/replays/new?${p}` as never })
  }
  const chosen = report.groups.find(g => g.group === group)
  if (report.changed === 0) {
    if (isGoing(r.state)) return null
    return (
      <Empty icon={<CheckCircle2 />} title="Nothing would be otherwise">
        {number(report.compared)} {report.compared === 1 ? 'execution' : 'executions'} would end as they did, with the same calls.
        {report.leftOut > 0 && ` ${number(report.leftOut)} could not be compared: they are still open, or their hook is gone.`}
      </Empty>
    )
  }
  return (
    <>
      <Card className="overflow-hidden">
        <header className="flex flex-wrap items-center justify-between gap-3 border-b border-line px-5 py-4">
          <div>
            <h2 className="font-semibold">
              {number(report.changed)} of {number(report.compared)} would be otherwise
            </h2>
            <p className="text-[0.8125rem] text-ink-3">
              {number(report.unchanged)} stay the same
              {report.leftOut > 0 && ` · ${number(report.leftOut)} not compared: still open, or their hook is gone`}
            </p>
          </div>
          <Button look="primary" icon={<RotateCw aria-hidden className="size-4" />} onClick={() => again(group)}>
            {group ? 'Replay this group' : 'Replay the changed ones'}
          </Button>
        </header>
        <ul className="divide-y divide-line">
          {report.groups.map(g => (
            <li key={g.group}>
              <button
                type="button"
                aria-pressed={group === g.group}
                onClick={() => setGroup(group === g.group ? undefined : g.group)}
                className="flex w-full items-center gap-3 px-5 py-3 text-left hover:bg-hover aria-pressed:bg-accent-soft"
              >
                <KindBadge kind={g.kind} />
                <span className="min-w-0 flex-1">
                  <span className="block truncate font-medium">{g.group.slice(g.kind.length).trim() || 'The execution'}</span>
                  <span className="block truncate text-[0.8125rem] text-ink-3">{kinds[g.kind]?.about}</span>
                </span>
                <strong className="font-semibold tabular-nums">{number(g.count)}</strong>
              </button>
            </li>
          ))}
        </ul>
      </Card>
      <Changed replay={r} changed={report.changed} group={chosen?.group} onShow={setShown} />
      {shown && <DifferenceDialog replay={r.id} execution={shown} onClose={() => setShown(undefined)} />}
    </>
  )
}

function Changed({
  replay: r,
  changed,
  group,
  onShow,
}: {
  replay: Replay
  changed: number
  group?: string
  onShow: (execution: string) => void
}) {
  const list = useInfiniteQuery({
    // While it runs there are more: the number of changed ones asks again.
    queryKey: ['differences', r.id, group, changed],
    initialPageParam: '',
    placeholderData: keepPreviousData,
    queryFn: async ({ pageParam, signal }) => {
      const p = new URLSearchParams({ limit: '50' })
      if (group) p.set('group', group)
      if (pageParam) p.set('cursor', pageParam)
      return (
        await exact<{ items: Difference[]; next: string }>('GET', `/replays/${encodeURIComponent(r.id)}/differences?${p}`, { signal })
      ).data
    },
    getNextPageParam: last => last.next || undefined,
  })
  if (list.isPending) return <Loading lines={3} />
  if (list.isError) return <Problem error={list.error} retry={() => void list.refetch()} />
  return (
    <section className="flex flex-col gap-3">
      <h2 className="font-semibold">{group ? 'Executions of this group' : 'Changed executions'}</h2>
      <Card className="overflow-hidden">
        <ul className="divide-y divide-line" aria-label="Changed executions">
          {list.data.pages
            .flatMap(p => p.items)
            .map(d => (
              <li key={d.execution}>
                <button
                  type="button"
                  onClick={() => onShow(d.execution)}
                  className="flex w-full flex-wrap items-center gap-x-3 gap-y-2 px-5 py-3 text-left hover:bg-hover"
                >
                  <code className="min-w-0 flex-[1_1_14rem] truncate text-accent-ink">{d.execution}</code>
                  <WasNow was={d.was} now={d.now} />
                  <span className="flex flex-wrap gap-1.5">
                    {[...new Set(d.kinds)].map(k => (
                      <KindBadge key={k} kind={k} />
                    ))}
                  </span>
                </button>
              </li>
            ))}
        </ul>
      </Card>
      {list.hasNextPage && (
        <Button className="self-center" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
    </section>
  )
}

function WasNow({ was, now }: { was: string; now: string }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <ExecutionBadge status={was} />
      <ArrowRight aria-label="would be" className="size-3.5 text-ink-3" />
      <ExecutionBadge status={now} />
    </span>
  )
}

function DifferenceDialog({ replay, execution, onClose }: { replay: string; execution: string; onClose: () => void }) {
  const difference = useQuery(differenceQuery(replay, execution))
  const d = difference.data
  return (
    <Dialog
      wide
      title="As it was, and as it would be"
      onClose={onClose}
      actions={
        <Link to={`/executions/${execution}` as never} className="font-medium text-accent-ink hover:underline">
          Open the execution
        </Link>
      }
    >
      {difference.isError ? (
        <Problem error={difference.error} retry={() => void difference.refetch()} />
      ) : !d ? (
        <Loading lines={3} />
      ) : (
        <div className="flex flex-col gap-5">
          <div className="flex flex-wrap items-center gap-3">
            <WasNow was={d.was} now={d.now} />
            <code className="break-all text-ink-3">{d.execution}</code>
          </div>
          {d.detail?.error && <p className="text-bad">It would fail: {d.detail.error}</p>}
          {(d.detail?.steps ?? []).map(s => (
            <section key={s.step} className="flex flex-col gap-3 border-t border-line pt-4">
              <h3 className="flex flex-wrap items-center gap-2 font-semibold">
                {s.step}
                {d.detail?.differences
                  ?.filter(x => x.step === s.step)
                  .map(x => (
                    <KindBadge key={x.group} kind={x.kind} />
                  ))}
                {s.now?.answered && (
                  <Badge tone={s.now.answered === 'would call' ? 'warn' : 'calm'}>
                    {s.now.answered === 'would call' ? 'Would call' : `Answered: ${s.now.answered}`}
                  </Badge>
                )}
              </h3>
              <div className="grid gap-3 text-[0.8125rem] text-ink-2 lg:grid-cols-2">
                <p className="flex items-center gap-2">As it was {s.was ? <StepBadge status={s.was.status} /> : 'it did not run'}</p>
                <p className="flex items-center gap-2">As it would be {s.now ? <StepBadge status={s.now.status} /> : 'it does not run'}</p>
              </div>
              <SideBySide title="Input" name="input" left={s.was?.input ?? null} right={s.now?.input ?? null} />
              <SideBySide title="Output" name="output" left={s.was?.output ?? null} right={s.now?.output ?? null} />
              {(s.was?.error || s.now?.error) && (
                <div className="grid gap-3 lg:grid-cols-2">
                  <p className="break-words text-bad">{s.was?.error}</p>
                  <p className="break-words text-bad">{s.now?.error}</p>
                </div>
              )}
            </section>
          ))}
          {!d.detail?.steps?.length && (
            <p className="text-ink-3">
              {d.detail?.error ? 'No step’s data differs: only how it ends.' : 'Its data is too large to be kept here: open the execution.'}
            </p>
          )}
        </div>
      )}
    </Dialog>
  )
}
