import { queryOptions, useQuery } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { FlowState } from '../ui/status.tsx'

/** A flow as the API shows it; draft and versions hold documents with all their digits. */
export interface Flow {
  id: string
  name: string
  state: FlowState
  revision: number
  version: number
  hasDraft: boolean
  hookUrl: string
  trigger: string
  steps: number
  draft?: FlowDocument
  createdAt: string
  changedAt: string
}

export const flowsQuery = queryOptions({
  queryKey: ['flows'],
  queryFn: async ({ signal }) => (await exact<{ items: Flow[] }>('GET', '/flows', { signal })).data.items,
})

export const useFlows = () => useQuery(flowsQuery)

interface Latency {
  count: number
  p50: number
  p95: number
  p99: number
}

/** What a flow and its steps did, as GET /flows/{id}/stats has it. */
export interface Counters {
  hooks: number
  executions: Record<string, number>
  open: Record<string, number>
  steps: StepCounters[]
  latencyMs: Latency
}

export interface StepCounters {
  step: string
  executions: Record<string, number>
  attempts: number
  latencyMs: Latency
}

export const countersQuery = (flow: string, since = '') =>
  queryOptions({
    queryKey: ['counters', flow, since],
    queryFn: async ({ signal }) =>
      (await exact<Counters>('GET', `/flows/${encodeURIComponent(flow)}/stats${since && `?since=${since}`}`, { signal })).data,
    refetchInterval: 15_000,
  })

/** The first execution of an ordering key, which holds others up. */
export interface BlockedKey {
  key: string
  execution: string
  status: string
  since: string
  step?: string
  stepStatus?: string
  error?: string
  retryAt?: string
  waiting: number
}

export const blockedQuery = (flow: string) =>
  queryOptions({
    queryKey: ['blocked', flow],
    queryFn: async ({ signal }) =>
      (await exact<{ items: BlockedKey[] }>('GET', `/flows/${encodeURIComponent(flow)}/blocked`, { signal })).data.items,
    refetchInterval: 5_000,
  })
