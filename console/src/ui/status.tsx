import {
  Ban,
  CheckCircle2,
  CircleDashed,
  CircleSlash,
  Clock,
  Copy,
  Filter,
  Loader,
  Pause,
  PlayCircle,
  RotateCw,
  Square,
  XCircle,
} from 'lucide-react'
import type { ComponentType } from 'react'

export type Tone = 'good' | 'bad' | 'warn' | 'info' | 'calm' | 'violet'

/** A tone's ground and ink. */
export const tones: Record<Tone, string> = {
  good: 'bg-good-soft text-good',
  bad: 'bg-bad-soft text-bad',
  warn: 'bg-warn-soft text-warn',
  info: 'bg-info-soft text-info',
  calm: 'bg-calm-soft text-calm',
  violet: 'bg-violet-soft text-violet',
}

interface Face {
  label: string
  tone: Tone
  icon: ComponentType<{ className?: string }>
}

export type ExecutionStatus = 'waiting' | 'running' | 'succeeded' | 'failed' | 'duplicate' | 'filtered' | 'cancelled'
export type StepStatus = 'succeeded' | 'failed' | 'retrying' | 'skipped' | 'cancelled' | 'running' | 'waiting' | 'unknown' | 'filtered'
export type FlowState = 'stopped' | 'running' | 'paused'

/** Every status of an execution has one face. */
export const executionFaces: Record<ExecutionStatus, Face> = {
  waiting: { label: 'Waiting', tone: 'warn', icon: Clock },
  running: { label: 'Running', tone: 'info', icon: Loader },
  succeeded: { label: 'Succeeded', tone: 'good', icon: CheckCircle2 },
  failed: { label: 'Failed', tone: 'bad', icon: XCircle },
  duplicate: { label: 'Duplicate', tone: 'violet', icon: Copy },
  filtered: { label: 'Filtered', tone: 'calm', icon: Filter },
  cancelled: { label: 'Cancelled', tone: 'calm', icon: Ban },
}

export const stepFaces: Record<StepStatus, Face> = {
  succeeded: { label: 'Succeeded', tone: 'good', icon: CheckCircle2 },
  failed: { label: 'Failed', tone: 'bad', icon: XCircle },
  retrying: { label: 'Retrying', tone: 'warn', icon: RotateCw },
  skipped: { label: 'Skipped', tone: 'calm', icon: CircleSlash },
  cancelled: { label: 'Cancelled', tone: 'calm', icon: Ban },
  running: { label: 'Running', tone: 'info', icon: Loader },
  waiting: { label: 'Waiting', tone: 'warn', icon: Clock },
  unknown: { label: 'Unknown', tone: 'violet', icon: CircleDashed },
  filtered: { label: 'Filtered', tone: 'calm', icon: Filter },
}

export const flowFaces: Record<FlowState, Face> = {
  running: { label: 'Running', tone: 'good', icon: PlayCircle },
  paused: { label: 'Paused', tone: 'warn', icon: Pause },
  stopped: { label: 'Stopped', tone: 'calm', icon: Square },
}

export function Badge({ tone, icon: Icon, children }: { tone: Tone; icon?: Face['icon']; children: React.ReactNode }) {
  return (
    <span className={`inline-flex h-6 items-center gap-1.5 whitespace-nowrap rounded-full px-2.5 text-xs font-medium ${tones[tone]}`}>
      {Icon && <Icon aria-hidden className="size-3.5" />}
      {children}
    </span>
  )
}

const face = <S extends string>(faces: Record<S, Face>, status: string): Face =>
  faces[status as S] ?? { label: status, tone: 'calm', icon: CircleDashed }

export function ExecutionBadge({ status }: { status: string }) {
  const f = face(executionFaces, status)
  return (
    <Badge tone={f.tone} icon={f.icon}>
      {f.label}
    </Badge>
  )
}
export function StepBadge({ status }: { status: string }) {
  const f = face(stepFaces, status)
  return (
    <Badge tone={f.tone} icon={f.icon}>
      {f.label}
    </Badge>
  )
}
export function FlowBadge({ state }: { state: string }) {
  const f = face(flowFaces, state)
  return (
    <Badge tone={f.tone} icon={f.icon}>
      {f.label}
    </Badge>
  )
}
