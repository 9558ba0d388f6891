import { queryOptions } from '@tanstack/react-query'
import { exact, isAway } from '../api/client.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { Flow } from '../flows/queries.ts'
import { type ExecutionDetail, isOpen } from './types.ts'

export const executionQuery = (id: string) =>
  queryOptions({
    queryKey: ['execution', id],
    queryFn: async ({ signal }) => (await exact<ExecutionDetail>('GET', `/executions/${encodeURIComponent(id)}`, { signal })).data,
    // One that is open is looked at again; one that was accepted just now may not be there yet.
    refetchInterval: q => (q.state.data && isOpen(q.state.data.status) ? 1000 : false),
  })

/** The document of the version that an execution ran on; null where it is not known. */
export const versionQuery = (flow: string, version: number) =>
  queryOptions({
    queryKey: ['version', flow, version],
    queryFn: async ({ signal }) => {
      if (version > 0) {
        return (await exact<{ document: FlowDocument }>('GET', `/flows/${encodeURIComponent(flow)}/versions/${version}`, { signal })).data
          .document
      }
      return (await exact<Flow>('GET', `/flows/${encodeURIComponent(flow)}`, { signal })).data.draft ?? null
    },
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })

export const flowQuery = (flow: string) =>
  queryOptions({
    queryKey: ['flow-of', flow],
    queryFn: async ({ signal }) => (await exact<Flow>('GET', `/flows/${encodeURIComponent(flow)}`, { signal })).data,
    retry: (n, e) => n < 3 && isAway(e),
  })
