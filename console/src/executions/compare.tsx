import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { type Json, same } from '../flow/exact.ts'
import { PayloadTree } from '../payload/tree.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge, ExecutionBadge, StepBadge } from '../ui/status.tsx'
import { duration, fullTime } from '../ui/time.ts'
import { executionQuery } from './queries.ts'
import type { ExecutionDetail, ExecutionStep } from './types.ts'

interface Pair {
  id: string
  left?: ExecutionStep
  right?: ExecutionStep
  differs: string[]
}

/** The steps of two executions, side by side, with what differs. */
export function pairs(a: ExecutionDetail, b: ExecutionDetail): Pair[] {
  const key = (s: ExecutionStep) => (s.iteration ? `${s.id} #${s.iteration}` : s.id)
  const left = new Map(a.steps.map(s => [key(s), s]))
  const right = new Map(b.steps.map(s => [key(s), s]))
  return [...new Set([...left.keys(), ...right.keys()])].map(id => {
    const l = left.get(id)
    const r = right.get(id)
    const differs: string[] = []
    if (!l || !r) differs.push('ran in one only')
    else {
      if (l.status !== r.status) differs.push('outcome')
      if (!same(l.input, r.input)) differs.push('input')
      if (!same(l.output, r.output)) differs.push('output')
    }
    return { id, left: l, right: r, differs }
  })
}

export function SideBySide({ title, left, right, name }: { title: string; left: Json; right: Json; name: string }) {
  const equal = same(left, right)
  return (
    <section className="flex flex-col gap-2">
      <h3 className="flex items-center gap-2 text-xs font-medium text-ink-2">
        {title} <Badge tone={equal ? 'calm' : 'warn'}>{equal ? 'the same' : 'differs'}</Badge>
      </h3>
      <div className="grid min-w-0 gap-3 lg:grid-cols-2">
        <PayloadTree value={left ?? null} name={name} height={260} />
        <PayloadTree value={right ?? null} name={name} height={260} />
      </div>
    </section>
  )
}

export function CompareScreen() {
  const { id, other } = useParams({ strict: false }) as { id: string; other: string }
  const a = useQuery(executionQuery(id))
  const b = useQuery(executionQuery(other))
  const [open, setOpen] = useState<string>()
  if (a.isError || b.isError) {
    return (
      <Page title="Compare">
        <Problem error={a.error ?? b.error} retry={() => void (a.refetch(), b.refetch())} />
      </Page>
    )
  }
  if (!a.data || !b.data) {
    return (
      <Page title="Compare">
        <Loading />
      </Page>
    )
  }
  const steps = pairs(a.data, b.data)
  const changed = steps.filter(s => s.differs.length).length
  return (
    <Page
      title="Compare executions"
      about={changed === 0 ? 'Every step did the same.' : `${changed} of ${steps.length} steps differ.`}
      wide
    >
      <div className="grid gap-3 lg:grid-cols-2">
        {[a.data, b.data].map(x => (
          <Card key={x.id} className="flex flex-wrap items-center gap-3 px-4 py-3">
            <ExecutionBadge status={x.status} />
            <Link to={`/executions/${x.id}` as never} className="break-all font-mono text-xs text-accent-ink hover:underline">
              {x.id}
            </Link>
            <span className="text-ink-3">
              version {x.version} · {fullTime(x.startedAt)} · {duration(x.durationMs)}
            </span>
          </Card>
        ))}
      </div>
      <SideBySide title="Request body" left={a.data.hook?.body ?? null} right={b.data.hook?.body ?? null} name="body" />
      <ul className="flex flex-col gap-3">
        {steps.map(s => (
          <li key={s.id}>
            <Card className="overflow-hidden">
              <button
                type="button"
                aria-expanded={open === s.id}
                onClick={() => setOpen(open === s.id ? undefined : s.id)}
                className="flex w-full flex-wrap items-center justify-between gap-2 px-4 py-3 text-left hover:bg-hover"
              >
                <span className="font-medium">{s.left?.name || s.right?.name || s.id}</span>
                <span className="flex flex-wrap items-center gap-2">
                  {s.left && <StepBadge status={s.left.status} />}
                  <span aria-hidden>→</span>
                  {s.right && <StepBadge status={s.right.status} />}
                  <Badge tone={s.differs.length ? 'warn' : 'calm'}>{s.differs.length ? s.differs.join(', ') : 'the same'}</Badge>
                </span>
              </button>
              {open === s.id && (
                <div className="flex flex-col gap-4 border-t border-line p-4">
                  <SideBySide title="Input" left={s.left?.input ?? null} right={s.right?.input ?? null} name="input" />
                  <SideBySide title="Output" left={s.left?.output ?? null} right={s.right?.output ?? null} name="output" />
                </div>
              )}
            </Card>
          </li>
        ))}
      </ul>
    </Page>
  )
}
