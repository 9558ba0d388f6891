import { queryOptions } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import { Exact, type Json } from '../flow/exact.ts'

export const comparisons = ['>', '>=', '<', '<=', '=', '!='] as const
export type Comparison = (typeof comparisons)[number]

export interface Destination {
  type: 'webhook' | 'slack' | 'email'
  /** As the API shows it, of an address that is kept, its host only. */
  url?: string
  to?: string[]
  credential?: string
}

/** What an alert's rule says. */
export interface Rule {
  id?: string
  name?: string
  note?: string
  query: string
  when: Comparison
  threshold: number
  every?: string
  destination: Destination
  disabled?: boolean
}

export type AlertState = 'ok' | 'open' | 'acknowledged' | 'resolved'

export interface Alert extends Rule {
  id: string
  state: AlertState
  value: number | null
  opening: number
  openedAt: string | null
  notifiedAt: string | null
  failure?: string
  acknowledgedBy?: string
  stateAt: string
}

export const alertsQuery = queryOptions({
  queryKey: ['alerts'],
  queryFn: async ({ signal }) => (await exact<{ items: Alert[] }>('GET', '/alerts', { signal })).data.items,
  refetchInterval: 5_000,
})

/** What the API takes of an alert: its rule alone. */
export const ruleOf = ({ name, note, query, when, threshold, every, destination, disabled }: Rule): Rule => ({
  name,
  note,
  query,
  when,
  threshold,
  every,
  destination,
  disabled,
})

/** The value of a result, as an alert takes it: the first number of its first row, 0 without a row. */
export function watched(rows: Json[][]): number | undefined {
  if (rows.length === 0) return 0
  const first = rows[0]!.find(v => typeof v === 'number' || v instanceof Exact || (typeof v === 'string' && /^-?\d+(\.\d+)?$/.test(v)))
  return first === undefined ? undefined : Number(String(first))
}

/** Whether a value opens an alert. */
export function passes(value: number, when: Comparison, threshold: number): boolean {
  switch (when) {
    case '>':
      return value > threshold
    case '>=':
      return value >= threshold
    case '<':
      return value < threshold
    case '<=':
      return value <= threshold
    case '=':
      return value === threshold
    case '!=':
      return value !== threshold
  }
}

const units: Record<string, number> = { h: 3600, m: 60, s: 1 }

/** Go's durations, as people read them: 1m0s is 1 min. */
export function everyInWords(every: string | undefined): string {
  const seconds = [...(every ?? '1m').matchAll(/([\d.]+)([hms])/g)].reduce((n, [, x, u]) => n + Number(x) * units[u!]!, 0)
  if (seconds % 3600 === 0 && seconds > 0) return seconds === 3600 ? 'hour' : `${seconds / 3600} hours`
  if (seconds % 60 === 0 && seconds > 0) return seconds === 60 ? 'minute' : `${seconds / 60} minutes`
  return `${seconds} seconds`
}
