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
