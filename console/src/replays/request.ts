import type { Filters } from '../executions/filters.ts'
import type { Selection } from './queries.ts'

// What the form for a new replay holds, and what it means. It can be filled from
// the address, so that every list and every query leads to a replay.

export type Way = 'filters' | 'sql' | 'executions' | 'changed'

export interface Form {
  way: Way
  flow: string
  from: string
  to: string
  status: string[]
  text: string
  /** What the body says, such as body.customer.id=42. */
  field: string
  offsets: string
  sql: string
  executions: string
  changedIn: string
  group: string
  replays: boolean
  version: string
  dryRun: boolean
  answers: 'recorded' | 'sample'
  rate: string
  maxFailures: string
  sameKeys: boolean
  note: string
}

export const blank: Form = {
  way: 'filters',
  flow: '',
  from: '24h',
  to: '',
  status: [],
  text: '',
  field: '',
  offsets: '',
  sql: '',
  executions: '',
  changedIn: '',
  group: '',
  replays: false,
  version: 'live',
  dryRun: true,
  answers: 'recorded',
  rate: '',
  maxFailures: '',
  sameKeys: false,
  note: '',
}

/** The form that an address asks for. */
export function formOf(search: string): Form {
  const p = new URLSearchParams(search)
  const get = (...names: string[]) => names.map(n => p.get(n)?.trim()).find(Boolean) ?? ''
  const f: Form = {
    ...blank,
    flow: get('flow'),
    from: get('from', 'since'),
    to: get('to', 'until'),
    status: p
      .getAll('status')
      .flatMap(s => s.split(','))
      .filter(Boolean),
    text: get('text', 'q'),
    field: get('field'),
    offsets: get('offsets'),
    sql: get('sql'),
    executions: get('executions', 'execution'),
    changedIn: get('changedIn'),
    group: get('group'),
    replays: get('replays') === 'true',
    version: get('version') || 'live',
    dryRun: get('dryRun') !== 'false',
  }
  f.way = f.changedIn ? 'changed' : f.sql ? 'sql' : f.executions ? 'executions' : 'filters'
  // Everything that ever ran is asked for, and not what an empty form gives.
  if (search.replace(/^\?/, '') === '') f.from = blank.from
  return f
}

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean)
const amount = (text: string) => (text.trim() === '' ? undefined : Number(text))

/** What keeps a form from being sent, by field. */
export function wrong(f: Form): Partial<Record<keyof Form, string>> {
  const out: Partial<Record<keyof Form, string>> = {}
  if (f.way === 'filters' && !f.flow && !f.field.trim()) out.flow = 'Choose the flow whose hooks run again.'
  else if (f.way !== 'changed' && f.version !== 'live' && !f.flow) out.flow = 'A version belongs to a flow: choose it.'
  if (f.way === 'sql' && !f.sql.trim()) out.sql = 'Write a statement that gives executions.'
  if (f.way === 'executions' && words(f.executions).length === 0) out.executions = 'Paste at least one execution’s ID.'
  if (['filters', 'sql'].includes(f.way) && f.field.trim() && !/^body[.[].*=/s.test(f.field.trim()))
    out.field = 'Write it like body.customer.id=42, or body.items[].sku=A1.'
  if (f.rate.trim() && !(Number(f.rate) > 0)) out.rate = 'A number of hooks a second, such as 50.'
  if (f.maxFailures.trim() && !/^[1-9]\d*$/.test(f.maxFailures.trim())) out.maxFailures = 'A whole number, such as 10.'
  return out
}

/** The body of POST /api/v1/replays: of the ways to select only the chosen one. */
export function requestOf(f: Form): Record<string, unknown> {
  const common = {
    flow: f.flow || undefined,
    version: f.version,
    dryRun: f.dryRun || undefined,
    answers: f.dryRun ? f.answers : undefined,
    rate: f.dryRun ? undefined : amount(f.rate),
    maxFailures: f.dryRun ? undefined : amount(f.maxFailures),
    sameKeys: (!f.dryRun && f.sameKeys) || undefined,
    note: f.note.trim() || undefined,
  }
  const field = f.field.trim() ? [f.field.trim()] : undefined
  const body = {
    filters: () => ({
      from: f.from || undefined,
      to: f.to || undefined,
      status: f.status.length ? f.status : undefined,
      text: f.text.trim() || undefined,
      field,
      offsets: words(f.offsets).length ? words(f.offsets) : undefined,
      replays: f.replays || undefined,
    }),
    sql: () => ({ sql: f.sql, field, replays: true }),
    executions: () => ({ executions: words(f.executions), replays: true }),
    changed: () => ({ changedIn: f.changedIn, group: f.group || undefined, replays: true }),
  }[f.way]()
  return Object.fromEntries(Object.entries({ ...common, ...body }).filter(([, v]) => v !== undefined))
}

const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 }

/** A time as the run log's filters write it, in SQL: how long ago, or when. */
function instant(text: string): string {
  const ago = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (ago.length && ago.map(m => m[0]).join('') === text) {
    return `now64(3) - INTERVAL ${Math.round(ago.reduce((n, m) => n + Number(m[1]) * units[m[2]!]!, 0))} SECOND`
  }
  return `parseDateTime64BestEffort(${literal(text)}, 6)`
}

const literal = (s: string) => `'${s.replace(/[\\']/g, c => `\\${c}`)}'`

/** The address of a replay of what the run log shows. */
export function replayOfFilters(f: Filters): string {
  const p = new URLSearchParams()
  if (f.field) p.set('field', f.field)
  if (f.id || f.replay || f.replayOf || f.step) {
    const where = [
      f.flow && `flow = ${literal(f.flow)}`,
      f.status.length && `status IN (${f.status.map(literal).join(', ')})`,
      f.since && `started_at >= ${instant(f.since)}`,
      f.until && `started_at < ${instant(f.until)}`,
      f.id && `startsWith(replaceAll(toString(id), '-', ''), ${literal(f.id.toLowerCase().replaceAll('-', ''))})`,
      f.step && `error_step = ${literal(f.step)}`,
      f.replay && `replay = ${literal(f.replay)}`,
      f.replayOf && `replay_of = toUUID(${literal(f.replayOf)})`,
      f.q &&
        `(positionCaseInsensitiveUTF8(error, ${literal(f.q)}) > 0 OR id IN (SELECT id FROM hooks WHERE positionCaseInsensitiveUTF8(body, ${literal(f.q)}) > 0))`,
    ].filter(Boolean)
    p.set('sql', `SELECT id FROM executions WHERE ${where.join(' AND ')}`)
    if (f.flow) p.set('flow', f.flow)
    return `/replays/new?${p}`
  }
  if (f.flow) p.set('flow', f.flow)
  if (f.status.length) p.set('status', f.status.join(','))
  if (f.since) p.set('from', f.since)
  if (f.until) p.set('to', f.until)
  if (f.q) p.set('text', f.q)
  return `/replays/new?${p}`
}

/** A selection in words. */
export function inWords(s: Selection, time: (t: string) => string): string {
  const said = [
    s.status?.length && `that ${s.status.join(' or ')}`,
    s.from && `since ${time(s.from)}`,
    s.to && `before ${time(s.to)}`,
    s.text && `with “${s.text}”`,
    ...(s.field ?? []).map(f => `where ${f}`),
    s.offsets?.length && `at ${s.offsets.map(o => `${o.partition}:${o.from}-${o.to}`).join(', ')}`,
    s.sql && 'that a statement gives',
    s.executions?.length && (s.executions.length === 1 ? 'one execution' : `${s.executions.length} chosen executions`),
    s.changedIn && (s.group ? `changed in a dry run: ${s.group}` : 'changed in a dry run'),
  ].filter(Boolean)
  return said.join(', ') || 'everything'
}
