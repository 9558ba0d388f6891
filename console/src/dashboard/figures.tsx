import { Columns, Legend, Lines } from '../ui/chart.tsx'
import { Card, Loading } from '../ui/page.tsx'
import { duration, number } from '../ui/time.ts'

/** Executions over time, as GET /stats/series has them. */
export interface Series {
  stepSeconds: number
  at: number[]
  executions: number[]
  errors: number[]
  p50Ms: number[]
  p95Ms: number[]
  p99Ms: number[]
  status: Record<string, number[]>
}

export const spans = [
  ['1h', 'Hour'],
  ['24h', 'Day'],
  ['168h', 'Week'],
] as const

export type Span = (typeof spans)[number][0]

const sum = (xs: number[] = []) => xs.reduce((a, b) => a + b, 0)

export function Spans({ span, onChange }: { span: Span; onChange: (s: Span) => void }) {
  return (
    <fieldset className="flex rounded-lg border border-line-strong p-0.5" aria-label="Time span">
      {spans.map(([v, label]) => (
        <button
          key={v}
          type="button"
          aria-pressed={span === v}
          onClick={() => onChange(v)}
          className={`h-7 rounded-md px-2.5 text-[0.8125rem] ${span === v ? 'bg-accent-soft font-medium text-accent-ink' : 'text-ink-2 hover:text-ink'}`}
        >
          {label}
        </button>
      ))}
    </fieldset>
  )
}

export function Figure({ label, value, tone = '', children }: { label: string; value: string; tone?: string; children?: React.ReactNode }) {
  return (
    <div className="min-w-0 rounded-xl border border-line bg-surface px-4 py-3 shadow-card">
      <dt className="text-xs text-ink-3">{label}</dt>
      <dd>
        <span className={`block truncate text-2xl font-semibold tabular-nums tracking-tight ${tone}`}>{value}</span>
        <span className="text-xs text-ink-3">{children}</span>
      </dd>
    </div>
  )
}

/** Executions and errors, and how long they took. */
export function Charts({ series: s, span }: { series?: Series; span: Span }) {
  const time = (t: number) =>
    new Date(t * 1000).toLocaleString(
      undefined,
      span === '168h'
        ? { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hour12: false }
        : { hour: '2-digit', minute: '2-digit', hour12: false },
    )
  const other = s ? s.executions.map((n, i) => n - s.errors[i]! - (s.status.succeeded?.[i] ?? 0)) : []
  const some = (values: number[]) => values.map(v => v || Number.NaN)
  const counted = s && [
    { name: 'succeeded', colour: 'var(--good)', values: s.status.succeeded ?? [] },
    ...(sum(other) > 0 ? [{ name: 'other', colour: 'var(--calm)', values: other }] : []),
    { name: 'failed', colour: 'var(--bad)', values: s.errors },
  ]
  const timed = s && [
    { name: 'p99', colour: 'var(--warn)', values: some(s.p99Ms) },
    { name: 'p95', colour: 'var(--violet)', values: some(s.p95Ms) },
    { name: 'p50', colour: 'var(--info)', values: some(s.p50Ms) },
  ]
  return (
    <div className="grid min-w-0 gap-4 lg:grid-cols-2">
      <Card className="flex min-w-0 flex-col gap-3 p-4">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <h2 className="font-semibold">Executions and errors</h2>
          {counted && <Legend items={counted} />}
        </div>
        {s && counted ? (
          <Columns
            label={`Executions: ${number(sum(s.executions))}, of which ${number(sum(s.errors))} failed`}
            at={s.at}
            time={time}
            stacks={counted}
          />
        ) : (
          <Loading lines={2} />
        )}
      </Card>
      <Card className="flex min-w-0 flex-col gap-3 p-4">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <h2 className="font-semibold">Latency</h2>
          {timed && <Legend items={timed} />}
        </div>
        {s && timed ? (
          <Lines label="Latency over time, p50, p95 and p99" at={s.at} time={time} format={duration} lines={timed} />
        ) : (
          <Loading lines={2} />
        )}
      </Card>
    </div>
  )
}
