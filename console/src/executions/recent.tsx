import { Link } from '@tanstack/react-router'
import { ExecutionBadge } from '../ui/status.tsx'
import { ago, duration, fullTime } from '../ui/time.ts'
import type { Execution } from './types.ts'

/** The last executions, each under a name that leads to it. */
export function Recent({ items, name, empty }: { items: Execution[]; name: (x: Execution) => string; empty: string }) {
  if (items.length === 0) return <p className="px-4 py-6 text-center text-ink-3">{empty}</p>
  return (
    <ul>
      {items.map(x => (
        <li key={x.id} className="flex items-center justify-between gap-3 border-b border-line px-4 py-2.5 last:border-0 hover:bg-hover">
          <span className="min-w-0">
            <Link to={`/executions/${x.id}` as never} className="block truncate font-medium hover:text-accent-ink hover:underline">
              {name(x)}
            </Link>
            <span className="block truncate text-xs text-ink-3" title={fullTime(x.startedAt)}>
              {ago(x.startedAt)} · {duration(x.durationMs)}
              {x.error && <span className="text-bad"> · {x.error}</span>}
            </span>
          </span>
          <ExecutionBadge status={x.status} />
        </li>
      ))}
    </ul>
  )
}
