import { type StepFace, StepGraph } from '../executions/graph.tsx'
import { start } from '../executions/layout.ts'
import type { FlowDocument } from '../flow/document.ts'
import { duration, number } from '../ui/time.ts'
import type { Counters, StepCounters } from './queries.ts'

/** What a step's counts say: how often it got through, failed, and where executions stand at it. */
export function counted(s?: StepCounters) {
  const n = s?.executions ?? {}
  return {
    done: n.succeeded ?? 0,
    failed: n.failed ?? 0,
    standing: (n.waiting ?? 0) + (n.retrying ?? 0) + (n.unknown ?? 0),
    skipped: n.skipped ?? 0,
  }
}

/** A flow with the counters on each of its steps. */
export function CountedGraph({
  flow,
  counters,
  chosen,
  onChoose,
}: {
  flow: FlowDocument
  counters?: Counters
  chosen?: string
  onChoose: (id: string) => void
}) {
  const byStep = new Map(counters?.steps.map(s => [s.step, s]))
  const face = (id: string, uses: string): StepFace => {
    const s = byStep.get(id)
    const c = id === start ? { done: counters?.hooks ?? 0, failed: 0, standing: counters?.open.waiting ?? 0 } : counted(s)
    const l = id === start ? counters?.latencyMs : s?.latencyMs
    return {
      colour: c.failed > 0 ? (c.done > 0 ? 'var(--warn)' : 'var(--bad)') : c.done > 0 ? 'var(--good)' : undefined,
      below: (
        <>
          <span className="flex items-baseline gap-2.5">
            <span className="font-semibold text-lg tabular-nums leading-6" data-testid="step-count">
              {number(c.done)}
            </span>
            {c.failed > 0 && <span className="text-bad text-xs tabular-nums">{number(c.failed)} failed</span>}
            {c.standing > 0 && <span className="text-warn text-xs tabular-nums">{number(c.standing)} waiting</span>}
          </span>
          <span className="flex justify-between gap-2 text-ink-3 text-xs">
            <span className="truncate">{uses}</span>
            {l && l.count > 0 && (
              <span className="shrink-0 tabular-nums" title="Half of them were as fast as p50, 99 of 100 as p99">
                p50 {duration(l.p50)} · p99 {duration(l.p99)}
              </span>
            )}
          </span>
        </>
      ),
    }
  }
  return <StepGraph flow={flow} face={face} height={92} chosen={chosen} onChoose={onChoose} />
}
