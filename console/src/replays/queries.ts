import { queryOptions } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import type { Json } from '../flow/exact.ts'

export type ReplayState = 'selecting' | 'running' | 'paused' | 'finished' | 'cancelled' | 'aborted' | 'failed'

/** Which hooks a replay takes. */
export interface Selection {
  flow?: string
  from?: string
  to?: string
  offsets?: { partition: number; from: number; to: number }[]
  status?: string[]
  text?: string
  field?: string[]
  executions?: string[]
  sql?: string
  changedIn?: string
  group?: string
  replays?: boolean
}

export interface DifferenceGroup {
  group: string
  kind: string
  count: number
  example: string
}

export interface Replay {
  id: string
  note?: string
  state: ReplayState
  reason?: string
  selection: Selection
  version: string
  dryRun: boolean
  rate?: number
  maxFailures?: number
  sameKeys?: boolean
  answers?: string
  by?: string
  createdAt: string
  changedAt: string
  total: number | null
  progress?: { done: number; status: Record<string, number> }
  report?: { compared: number; changed: number; unchanged: number; leftOut: number; groups: DifferenceGroup[] }
}

export interface Estimate {
  hooks: number
  seconds: number
  effects: { uses: string; calls: number }[]
  source: 'runlog' | 'hooks'
  sample: string[]
}

export interface SimulatedStep {
  status: string
  input?: Json
  output?: Json
  error?: string
  answered?: string
}

export interface Difference {
  execution: string
  flow: string
  was: string
  now: string
  kinds: string[]
  groups: string[]
  detail?: {
    differences: { kind: string; step?: string; group: string }[] | null
    steps: { step: string; was: SimulatedStep | null; now: SimulatedStep | null }[] | null
    error?: string
  }
}

export const isGoing = (s: ReplayState) => s === 'selecting' || s === 'running' || s === 'paused'

/** A real replay has sent its last hook before its last execution has ended. */
export function isSettled(r: Replay): boolean {
  if (isGoing(r.state)) return false
  const status = r.progress?.status ?? {}
  return r.dryRun || !(status.running || status.waiting)
}

export const replaysQuery = queryOptions({
  queryKey: ['replays'],
  queryFn: async ({ signal }) => (await exact<{ items: Replay[] }>('GET', '/replays', { signal })).data.items,
  staleTime: 0,
  refetchInterval: q => (q.state.data?.some(r => isGoing(r.state)) ? 1000 : false),
})

export const replayQuery = (id: string) =>
  queryOptions({
    queryKey: ['replay', id],
    queryFn: async ({ signal }) => (await exact<Replay>('GET', `/replays/${encodeURIComponent(id)}`, { signal })).data,
    staleTime: 0,
    refetchInterval: q => (q.state.data && !isSettled(q.state.data) ? 1000 : false),
  })

export const differenceQuery = (replay: string, execution: string) =>
  queryOptions({
    queryKey: ['difference', replay, execution],
    queryFn: async ({ signal }) =>
      (
        await exact<Difference>('GET', `/replays/${encodeURIComponent(replay)}/differences/${encodeURIComponent(execution)}`, {
          signal,
        })
      ).data,
  })

export const versionsQuery = (flow: string) =>
  queryOptions({
    queryKey: ['versions', flow],
    queryFn: async ({ signal }) =>
      (await exact<{ items: { version: number; note?: string }[] }>('GET', `/flows/${encodeURIComponent(flow)}/versions`, { signal })).data
        .items,
  })
