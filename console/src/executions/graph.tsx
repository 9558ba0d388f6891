import { Webhook } from 'lucide-react'
import type { ReactNode } from 'react'
import type { FlowDocument } from '../flow/document.ts'
import { StepBadge } from '../ui/status.tsx'
import { duration } from '../ui/time.ts'
import { layoutOf, start } from './layout.ts'

const w = 260
const gapX = 28
const gapY = 34

/** How a step looks in a picture of its flow. */
export interface StepFace {
  /** Beside its name. */
  badge?: ReactNode
  /** Below its name. */
  below?: ReactNode
  /** Of the line that leads to it; without one nothing went along it. */
  colour?: string
  faded?: boolean
}

/** A picture of a flow. Each step is a button that chooses it. */
export function StepGraph({
  flow,
  face,
  height: h = 66,
  chosen,
  onChoose,
}: {
  flow: FlowDocument
  face: (id: string, uses: string) => StepFace
  height?: number
  chosen?: string
  onChoose: (id: string) => void
}) {
  const l = layoutOf(flow)
  const inRow = new Map<number, number>()
  for (const n of l.nodes) inRow.set(n.row, Math.max(inRow.get(n.row) ?? 0, n.column + 1))
  const width = l.columns * (w + gapX) - gapX
  const x = (n: { row: number; column: number }) => (width - (inRow.get(n.row)! * (w + gapX) - gapX)) / 2 + n.column * (w + gapX)
  const y = (row: number) => row * (h + gapY)
  const at = new Map(l.nodes.map(n => [n.id, n]))
  const steps = new Map(flow.steps.map(s => [s.id, s]))
  const faces = new Map(l.nodes.map(n => [n.id, face(n.id, n.id === start ? flow.trigger.uses : (steps.get(n.id)?.uses ?? ''))]))
  return (
    <div className="overflow-auto p-4">
      <div className="relative mx-auto" style={{ width, height: l.rows * (h + gapY) - gapY }}>
        <svg aria-hidden="true" className="absolute inset-0 overflow-visible" width={width} height={l.rows * (h + gapY)}>
          {l.edges.map(([from, to]) => {
            const a = at.get(from)!
            const b = at.get(to)!
            const x1 = x(a) + w / 2
            const y1 = y(a.row) + h
            const x2 = x(b) + w / 2
            const y2 = y(b.row)
            const colour = faces.get(to)?.colour
            return (
              <path
                key={`${from} ${to}`}
                d={`M${x1},${y1} C${x1},${y1 + gapY / 2} ${x2},${y2 - gapY / 2} ${x2},${y2}`}
                fill="none"
                stroke={colour ?? 'var(--line-strong)'}
                strokeWidth={colour ? 2 : 1.5}
                strokeDasharray={colour ? undefined : '4 4'}
              />
            )
          })}
        </svg>
        {l.nodes.map(n => {
          const f = faces.get(n.id)!
          const name = n.id === start ? flow.trigger.name || 'Webhook' : steps.get(n.id)?.name || n.id
          return (
            <button
              key={n.id}
              type="button"
              data-step={n.id}
              aria-pressed={chosen === n.id}
              onClick={() => onChoose(n.id)}
              style={{ width: w, height: h, left: x(n), top: y(n.row) }}
              className={`absolute flex flex-col justify-center gap-1 rounded-xl border bg-surface px-3 text-left shadow-card transition-colors hover:border-accent ${chosen === n.id ? 'border-accent ring-2 ring-accent/40' : 'border-line-strong'} ${f.faded ? 'opacity-75' : ''}`}
            >
              <span className="flex items-center justify-between gap-2">
                <span className="truncate font-medium">{name}</span>
                {n.id === start ? <Webhook aria-hidden className="size-4 shrink-0 text-accent-ink" /> : f.badge}
              </span>
              {f.below}
            </button>
          )
        })}
      </div>
    </div>
  )
}

const colours: Record<string, string> = { succeeded: 'var(--good)', failed: 'var(--bad)', retrying: 'var(--warn)', waiting: 'var(--warn)' }

export interface GraphStep {
  status: string
  durationMs?: number
  attempt?: number
  count?: number
}

/** A flow with how each of its steps ended. */
export function OutcomeGraph({
  flow,
  steps,
  chosen,
  onChoose,
}: {
  flow: FlowDocument
  steps: ReadonlyMap<string, GraphStep>
  chosen?: string
  onChoose: (id: string) => void
}) {
  return (
    <StepGraph
      flow={flow}
      chosen={chosen}
      onChoose={onChoose}
      face={(id, uses) => {
        const s = steps.get(id)
        return {
          badge: s && <StepBadge status={s.status} />,
          colour: s && s.status !== 'skipped' ? colours[s.status] : undefined,
          faded: s?.status === 'skipped',
          below: (
            <span className="flex justify-between gap-2 text-xs text-ink-3">
              <span className="truncate">{uses}</span>
              <span className="shrink-0 tabular-nums">
                {s?.attempt && s.attempt > 1 ? `${s.attempt} attempts · ` : ''}
                {s?.durationMs !== undefined && s.status !== 'skipped' && s.status !== 'waiting' ? duration(s.durationMs) : ''}
              </span>
            </span>
          ),
        }
      }}
    />
  )
}
