/** One thing that happened, as GET /tail tells it. */
export interface TailEvent {
  kind: Kind
  at: string
  flow: string
  execution: string
  status?: string
  method?: string
  path?: string
  contentType?: string
  bytes?: number
  preview?: string
  step?: string
  name?: string
  uses?: string
  iteration?: number
  attempt?: number
  httpStatus?: number
  durationMs?: number
  error?: string
  replayOf?: string
}

export const kinds = ['hook', 'step', 'execution'] as const
export type Kind = (typeof kinds)[number]

/** What a tail shows is filtered by. It is in the address. */
export interface TailFilters {
  flow: string
  kind: Kind[]
  failed: boolean
  q: string
}

export function decode(search: string): TailFilters {
  const p = new URLSearchParams(search)
  const asked = (p.get('kind') ?? '').split(',')
  return {
    flow: p.get('flow')?.trim() ?? '',
    kind: kinds.filter(k => asked.includes(k)),
    failed: p.get('failed') === 'true',
    q: p.get('q')?.trim() ?? '',
  }
}

function parameters(f: TailFilters, failed: [name: string, value: string]): string {
  const p = new URLSearchParams()
  if (f.flow) p.set('flow', f.flow)
  if (f.kind.length) p.set('kind', f.kind.join(','))
  if (f.failed) p.set(...failed)
  if (f.q) p.set('q', f.q)
  return p.toString()
}

export function encode(f: TailFilters): string {
  const text = parameters(f, ['failed', 'true']).replaceAll('%2C', ',')
  return text ? `?${text}` : ''
}

/** The same for the API. */
export const asked = (f: TailFilters): string => parameters(f, ['status', 'failed,retrying,unknown'])

/** What is shown, what waits while one reads, and what was left out. */
export interface Tail {
  /** The newest first. */
  shown: TailEvent[]
  waiting: TailEvent[]
  /** By kind, of what was too much to be sent, or to be kept while one reads. */
  held: Record<string, number>
}

export const empty: Tail = { shown: [], waiting: [], held: {} }

/** How many lines are kept. */
export const keep = 2000

const count = (held: Record<string, number>, more: Record<string, number>) => {
  const out = { ...held }
  for (const [k, n] of Object.entries(more)) out[k] = (out[k] ?? 0) + n
  return out
}

export function heard(t: Tail, events: TailEvent[], paused: boolean): Tail {
  const news = [...events].reverse()
  if (!paused) return { ...t, shown: [...news, ...t.waiting, ...t.shown].slice(0, keep), waiting: [] }
  const waiting = [...news, ...t.waiting]
  const over: Record<string, number> = {}
  for (const e of waiting.slice(keep)) over[e.kind] = (over[e.kind] ?? 0) + 1
  return { ...t, waiting: waiting.slice(0, keep), held: waiting.length > keep ? count(t.held, over) : t.held }
}

export const heldBack = (t: Tail, more: Record<string, number>): Tail => ({ ...t, held: count(t.held, more) })

/** Counts in words: 3 hooks, 1 step. */
export const inWords = (held: Record<string, number>, number: (n: number) => string) =>
  kinds
    .filter(k => held[k])
    .map(k => `${number(held[k]!)} ${k}${held[k] === 1 ? '' : 's'}`)
    .join(', ')
