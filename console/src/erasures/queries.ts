import { queryOptions } from '@tanstack/react-query'
import { exact } from '../api/client.ts'

/** How much there is of what is to be erased. */
export interface Count {
  executions: number
  hooks: number
  steps: number
  differences: number
  blobs: number
  keys: number
  open: number
  unsealed: number
}

/** Something that an erasure does not reach. */
export interface Remains {
  where: string
  what: string
  count?: number
  until?: string
}

export interface Certificate {
  erasure: string
  note?: string
  requestedBy?: string
  requestedAt: string
  finishedAt: string
  selectedBy: 'sql' | 'subject'
  selectionSha256: string
  flow?: string
  executions: string[]
  erased: Count
  kept: string
  remains: Remains[]
  sha256: string
}

export interface Erasure {
  id: string
  state: 'running' | 'finished'
  stage?: string
  waitingFor?: string
  note?: string
  requestedBy?: string
  flow?: string
  createdAt: string
  changedAt: string
  total: number
  found: Count
  executions: string[]
  mentions?: string[]
  certificate?: Certificate
}

/** What a request would erase. */
export interface Estimate {
  total: number
  related?: number
  found: Count
  executions: string[]
  notSearched?: number
  mentions?: string[]
}

const pathOf = (id: string) => `/erasures/${encodeURIComponent(id)}`
export const certificateUrl = (id: string) => `/api/v1${pathOf(id)}/certificate`

export const erasuresQuery = queryOptions({
  queryKey: ['erasures'],
  queryFn: async ({ signal }) => (await exact<{ items: Erasure[] }>('GET', '/erasures', { signal })).data.items,
  staleTime: 0,
  refetchInterval: q => (q.state.data?.some(e => e.state === 'running') ? 1000 : false),
})

export const erasureQuery = (id: string) =>
  queryOptions({
    queryKey: ['erasure', id],
    queryFn: async ({ signal }) => (await exact<Erasure>('GET', pathOf(id), { signal })).data,
    staleTime: 0,
    refetchInterval: q => (q.state.data?.state === 'running' ? 1000 : false),
  })
