import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import { quoted } from '../executions/curl.ts'

/** A request that a flow did not take, as a list has it. */
export interface Rejected {
  id: string
  time: string
  method: string
  path: string
  status: number
  reason: string
  cause: string
  headers: Record<string, string>
  bytes: number
  kept: boolean
  execution?: string
  flow: string
}

export interface RejectedDetail extends Rejected {
  query: string
  contentType: string
  from: string
  body: string | null
  now: { accepted: boolean; reason?: string; remedy?: string }
}

const at = (flow: string) => `/flows/${encodeURIComponent(flow)}/rejected`

/** The last rejected requests of a flow, or of all flows, the newest first; of all flows page by page. */
export const rejectedQuery = (flow: string) =>
  infiniteQueryOptions({
    queryKey: ['rejected', flow],
    initialPageParam: '',
    queryFn: async ({ signal, pageParam }) => {
      const path = flow ? at(flow) : `/rejected${pageParam && `?cursor=${encodeURIComponent(pageParam)}`}`
      return (await exact<{ items: Rejected[]; next?: string }>('GET', path, { signal })).data
    },
    getNextPageParam: page => page.next || undefined,
    refetchInterval: 5_000,
  })

export const rejectedDetailQuery = (flow: string, id: string) =>
  queryOptions({
    queryKey: ['rejected-one', flow, id],
    queryFn: async ({ signal }) => (await exact<RejectedDetail>('GET', `${at(flow)}/${encodeURIComponent(id)}`, { signal })).data,
  })

export const accept = async (r: Rejected) => (await exact<{ id: string }>('POST', `${at(r.flow)}/${encodeURIComponent(r.id)}/accept`)).data

/** Reasons in words, for a heading. */
const words: Record<string, string> = {
  unauthenticated: 'Not authenticated',
  credential: 'The flow’s credential cannot be used',
  signature_missing: 'No signature',
  signature_form: 'Not a signature',
  signature: 'Wrong signature',
  timestamp: 'Too old, or from the future',
  method: 'Method not taken',
  malformed: 'Malformed body',
  encoding: 'Encoding not known',
  too_large: 'Too large',
  rate: 'Over the rate',
  full: 'Buffers full',
  unavailable: 'Could not be stored',
  timeout: 'The sender was too slow',
  bad_request: 'Not proper HTTP',
  broken: 'An error of Sluice',
}

export const reasonInWords = (reason: string) => words[reason] ?? reason

/** The command that explains the request's signature, with its secret left to fill in. */
export function verifyCommand(r: RejectedDetail, hookUrl: string, type: string): string {
  const url = hookUrl.replace(/\/hook\/.*$/, '') + r.path + (r.query ? `?${r.query}` : '')
  return [
    `sluice verify --type ${quoted(type)} --secret "$SECRET"`,
    `--at ${quoted(r.time)}`,
    `--url ${quoted(url)} --method ${r.method}`,
    ...Object.entries(r.headers).map(([k, v]) => `--header ${quoted(`${k}: ${v}`)}`),
    '--body body.bin',
  ].join(' \\\n  ')
}
