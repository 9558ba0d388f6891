import { Webhook } from 'lucide-react'
import type { FlowDocument } from '../flow/document.ts'
import { StepBadge } from '../ui/status.tsx'
import { duration } from '../ui/time.ts'
import { layoutOf, start } from './layout.ts'

const w = 260
const h = 66
const gapX = 28
const gapY = 34

const edgeColour: Record<string, string> = { succeeded: 'var(--good)', failed: 'var(--bad)', retrying: 'var(--warn)' }

export interface GraphStep {
  status: string
  durationMs?: number
  attempt?: number
  count?: number
}

/** A flow with how each of its steps ended. Each step is a button that chooses it. */
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
  const l = layoutOf(flow)
  const inRow = new Map<number, number>()
  for (const n of l.nodes) inRow.set(n.row, Math.max(inRow.get(n.row) ?? 0, n.column + 1))
  const width = l.columns * (w + gapX) - gapX
  const x = (n: { row: number; column: number }) => (width - (inRow.get(n.row)! * (w + gapX) - gapX)) / 2 + n.column * (w + gapX)
  const y = (row: number) => row * (h + gapY)
  const at = new Map(l.nodes.map(n => [n.id, n]))
  const names = new Map(flow.steps.map(s => [s.id, s]))
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
            const status = steps.get(to)?.status
            const ran = status && status !== 'skipped'
            return (
              <path
                key={`${from} ${to}`}
                d={`M${x1},${y1} C${x1},${y1 + gapY / 2} ${x2},${y2 - gapY / 2} ${x2},${y2}`}
                fill="none"
                stroke={(ran && edgeColour[status]) || 'var(--line-strong)'}
                strokeWidth={ran ? 2 : 1.5}
                strokeDasharray={ran ? undefined : '4 4'}
              />
            )
          })}
        </svg>
        {l.nodes.map(n => {
          const s = steps.get(n.id)
          const d = names.get(n.id)
          const name = n.id === start ? flow.trigger.name || 'Webhook' : d?.name || n.id
          const detail = n.id === start ? flow.trigger.uses : d?.uses
          return (
            <button
              key={n.id}
              type="button"
              aria-pressed={chosen === n.id}
              onClick={() => onChoose(n.id)}
              style={{ width: w, height: h, left: x(n), top: y(n.row) }}
              className={`absolute flex flex-col justify-center gap-1 rounded-xl border bg-surface px-3 text-left shadow-card transition-colors hover:border-accent ${chosen === n.id ? 'border-accent ring-2 ring-accent/40' : 'border-line-strong'} ${s?.status === 'skipped' ? 'opacity-75' : ''}`}
            >
              <span className="flex items-center justify-between gap-2">
                <span className="truncate font-medium">{name}</span>
                {n.id === start ? (
                  <Webhook aria-hidden className="size-4 shrink-0 text-accent-ink" />
                ) : (
                  s && <StepBadge status={s.status} />
                )}
              </span>
              <span className="flex justify-between gap-2 text-xs text-ink-3">
                <span className="truncate">{detail}</span>
                <span className="shrink-0 tabular-nums">
                  {s?.attempt && s.attempt > 1 ? `${s.attempt} attempts · ` : ''}
                  {s?.durationMs !== undefined && s.status !== 'skipped' ? duration(s.durationMs) : ''}
                </span>
              </span>
            </button>
          )
        })}
      </div>
    </div>
  )
}
