import type { ExecutionStatus } from '../ui/status.tsx'

// What the run log is filtered by. It is in the address, so that a view can be
// sent to somebody, and the way back leads to it.

export interface Filters {
  flow: string
  status: ExecutionStatus[]
  /** How long ago, such as 1h, or a time. */
  since: string
  until: string
  q: string
  /** What a field of the body says, such as body.customer.id=42. */
  field: string
  /** The step that an execution failed at. */
  step: string
  /** How an execution's ID begins. */
  id: string
  replayOf: string
  replay: string
}

export const none: Filters = { flow: '', status: [], since: '', until: '', q: '', field: '', step: '', id: '', replayOf: '', replay: '' }

export const statuses: ExecutionStatus[] = ['succeeded', 'failed', 'running', 'waiting', 'duplicate', 'filtered', 'cancelled']

const texts = ['flow', 'since', 'until', 'q', 'field', 'step', 'id', 'replayOf', 'replay'] as const

/** The filters of an address; what it does not know it leaves out. */
export function decode(search: string): Filters {
  const p = new URLSearchParams(search)
  const f: Filters = { ...none, status: [] }
  for (const key of texts) f[key] = (p.get(key) ?? '').trim()
  const asked = p.getAll('status').flatMap(s => s.split(','))
  f.status = statuses.filter(s => asked.includes(s))
  return f
}

/** The address of filters, with its ?, or nothing when nothing is filtered. */
export function encode(f: Filters): string {
  const p = new URLSearchParams()
  for (const key of texts) if (f[key].trim()) p.set(key, f[key].trim())
  const chosen = statuses.filter(s => f.status.includes(s))
  if (chosen.length) p.set('status', chosen.join(','))
  const text = p.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')
  return text ? `?${text}` : ''
}

export const isFiltered = (f: Filters) => encode(f) !== ''

/** What one typed into the search: a field of the body, or a text. */
export const searchFor = (typed: string): Pick<Filters, 'q' | 'field'> => {
  const text = typed.trim()
  return /^body[.[][^=]*=/.test(text) ? { q: '', field: text } : { q: text, field: '' }
}

/** Whether a new execution belongs to a view: as far as its row says. A text search cannot tell. */
export function shows(
  f: Filters,
  x: { id: string; flow: string; status: string; errorStep?: string; replayOf: string | null; replay?: string },
): boolean {
  return (
    (!f.flow || x.flow === f.flow) &&
    (!f.status.length || f.status.includes(x.status as ExecutionStatus)) &&
    (!f.step || x.errorStep === f.step) &&
    (!f.id || x.id.replaceAll('-', '').startsWith(f.id.toLowerCase().replaceAll('-', ''))) &&
    (!f.replayOf || x.replayOf === f.replayOf) &&
    (!f.replay || x.replay === f.replay) &&
    !f.q &&
    !f.field &&
    !f.until
  )
}
