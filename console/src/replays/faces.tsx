import { Ban, CheckCircle2, Loader, Pause, Search, XCircle } from 'lucide-react'
import { Badge, type Tone } from '../ui/status.tsx'
import type { Replay, ReplayState } from './queries.ts'

const faces: Record<ReplayState, { label: string; tone: Tone; icon: typeof Ban }> = {
  selecting: { label: 'Selecting', tone: 'info', icon: Search },
  running: { label: 'Running', tone: 'info', icon: Loader },
  paused: { label: 'Paused', tone: 'warn', icon: Pause },
  finished: { label: 'Finished', tone: 'good', icon: CheckCircle2 },
  cancelled: { label: 'Cancelled', tone: 'calm', icon: Ban },
  aborted: { label: 'Aborted', tone: 'bad', icon: XCircle },
  failed: { label: 'Failed', tone: 'bad', icon: XCircle },
}

export function ReplayBadge({ state }: { state: ReplayState }) {
  const f = faces[state]
  return (
    <Badge tone={f.tone} icon={f.icon}>
      {f.label}
    </Badge>
  )
}

/** What a dry run calls a difference. */
export const kinds: Record<string, { label: string; tone: Tone; about: string }> = {
  newFailure: { label: 'New failure', tone: 'bad', about: 'It succeeded, and would fail.' },
  mendedFailure: { label: 'Mended failure', tone: 'good', about: 'It failed, and would succeed.' },
  otherFailure: { label: 'Other failure', tone: 'warn', about: 'It failed, and would fail for another reason.' },
  effectAdded: { label: 'Effect added', tone: 'violet', about: 'A call would go out that did not.' },
  effectRemoved: { label: 'Effect removed', tone: 'violet', about: 'A call went out that would not.' },
  effectAltered: { label: 'Effect altered', tone: 'violet', about: 'The call would go out with another input.' },
  branch: { label: 'Other branch', tone: 'info', about: 'A step would run that did not, or the other way round.' },
  output: { label: 'Other output', tone: 'info', about: 'A step would give another output.' },
}

export function KindBadge({ kind }: { kind: string }) {
  const k = kinds[kind]
  return (
    <span title={k?.about}>
      <Badge tone={k?.tone ?? 'calm'}>{k?.label ?? kind}</Badge>
    </span>
  )
}

export function Progress({ replay: r }: { replay: Replay }) {
  const done = r.progress?.done ?? 0
  const share = r.total ? Math.min(1, done / r.total) : r.total === 0 ? 1 : 0
  return (
    <div
      role="progressbar"
      aria-label="Progress"
      aria-valuemin={0}
      aria-valuemax={r.total ?? undefined}
      aria-valuenow={r.total === null ? undefined : done}
      className="h-2 overflow-hidden rounded-full bg-sunken"
    >
      <svg aria-hidden className="block h-full w-full" preserveAspectRatio="none" viewBox="0 0 100 1">
        <rect width={share * 100} height="1" className={r.state === 'paused' ? 'fill-warn' : 'fill-accent'} />
      </svg>
    </div>
  )
}
