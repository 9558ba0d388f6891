import { CheckCircle2, Loader } from 'lucide-react'
import { Badge } from '../ui/status.tsx'
import { number } from '../ui/time.ts'
import type { Count, Erasure } from './queries.ts'
import { progress, rowsOf } from './request.ts'

export const ErasureBadge = ({ state }: { state: Erasure['state'] }) =>
  state === 'finished' ? (
    <Badge tone="good" icon={CheckCircle2}>
      Finished
    </Badge>
  ) : (
    <Badge tone="info" icon={Loader}>
      Running
    </Badge>
  )

export function Progress({ erasure }: { erasure: Erasure }) {
  const { share } = progress(erasure)
  return (
    <div
      role="progressbar"
      aria-label="Progress"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      className="h-2 overflow-hidden rounded-full bg-sunken"
    >
      <svg aria-hidden className="block h-full w-full" preserveAspectRatio="none" viewBox="0 0 100 1">
        <rect width={share * 100} height="1" className="fill-accent" />
      </svg>
    </div>
  )
}

/** What there is of what is erased, as a list of numbers. */
export function Counted({ count }: { count: Count }) {
  return (
    <ul className="flex flex-col gap-0.5">
      {rowsOf(count).map(r => (
        <li key={r.key} className="flex justify-between gap-3 text-[0.8125rem]">
          <span className="text-ink-2">{r.label}</span>
          <span className="tabular-nums">{number(r.n)}</span>
        </li>
      ))}
    </ul>
  )
}
