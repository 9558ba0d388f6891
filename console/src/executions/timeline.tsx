import { duration } from '../ui/time.ts'
import type { ExecutionDetail } from './types.ts'

const colour: Record<string, string> = { succeeded: 'bg-good', failed: 'bg-bad', retrying: 'bg-warn', cancelled: 'bg-calm' }

/** Every attempt on one scale of time, from the hook's acceptance on. */
export function Timeline({ x, onChoose }: { x: ExecutionDetail; onChoose: (id: string) => void }) {
  const begin = new Date(x.startedAt).getTime()
  const rows = x.steps.filter(s => s.attempts.length > 0)
  const end = Math.max(
    begin + 1,
    x.endedAt ? new Date(x.endedAt).getTime() : 0,
    ...rows.flatMap(s => s.attempts.map(a => new Date(a.startedAt).getTime() + a.durationMs)),
  )
  const span = end - begin
  const share = (ms: number) => `${Math.max(0, Math.min(100, (ms / span) * 100))}%`
  if (rows.length === 0) return <p className="px-4 py-6 text-ink-3">No step has run yet.</p>
  return (
    <ol className="flex flex-col gap-1.5 p-4" aria-label="Timeline">
      {rows.map(s => (
        <li key={`${s.id} ${s.iteration}`} className="grid grid-cols-[minmax(5rem,12rem)_1fr_4.5rem] items-center gap-3">
          <button
            type="button"
            onClick={() => onChoose(s.id)}
            className="truncate text-left text-ink-2 hover:text-accent-ink hover:underline"
          >
            {s.name || s.id}
            {s.iteration > 0 ? ` #${s.iteration}` : ''}
          </button>
          <span className="relative h-5 rounded bg-sunken">
            {s.attempts.map(a => (
              <span
                key={a.attempt}
                title={`Attempt ${a.attempt}: ${a.status}, ${duration(a.durationMs)}`}
                className={`absolute inset-y-0.5 min-w-1 rounded-sm ${colour[a.status] ?? 'bg-info'}`}
                style={{ left: share(new Date(a.startedAt).getTime() - begin), width: share(a.durationMs) }}
              />
            ))}
          </span>
          <span className="text-right text-xs text-ink-3 tabular-nums">{duration(s.attempts.reduce((n, a) => n + a.durationMs, 0))}</span>
        </li>
      ))}
      <li className="grid grid-cols-[minmax(5rem,12rem)_1fr_4.5rem] gap-3 pt-1 text-xs text-ink-3">
        <span>from acceptance</span>
        <span className="flex justify-between tabular-nums">
          <span>0</span>
          <span>{duration(span / 2)}</span>
          <span>{duration(span)}</span>
        </span>
        <span />
      </li>
    </ol>
  )
}
