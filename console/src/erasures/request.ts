import type { Count, Erasure } from './queries.ts'

// What the form for an erasure holds, and what it means. Whose data it is stands
// in no address: addresses are kept by browsers and proxies.

export interface Form {
  way: 'subject' | 'sql'
  expression: string
  value: string
  sql: string
  flow: string
  note: string
  requestedBy: string
}

export const blank: Form = { way: 'subject', expression: '', value: '', sql: '', flow: '', note: '', requestedBy: '' }

/** The form that an address asks for: a flow, and one execution. */
export function formOf(search: string): Form {
  const p = new URLSearchParams(search)
  const flow = p.get('flow') ?? ''
  const id = p.get('execution') ?? ''
  if (!/^[0-9a-f-]{36}$/.test(id)) return { ...blank, flow }
  return { ...blank, flow, way: 'sql', sql: `SELECT id FROM executions WHERE id = '${id}'` }
}

/** What keeps a form from being sent, by field. */
export function wrong(f: Form): Partial<Record<keyof Form, string>> {
  if (f.way === 'sql') return f.sql.trim() ? {} : { sql: 'Write a statement that gives executions.' }
  const out: Partial<Record<keyof Form, string>> = {}
  if (!f.expression.trim()) out.expression = 'Say where the value stands, such as body.customer.email.'
  if (!f.value.trim()) out.value = 'Say whose data it is, such as ann@example.com.'
  return out
}

/** The body of POST /api/v1/erasures. */
export function requestOf(f: Form): Record<string, unknown> {
  const expression = f.expression.trim()
  const body = {
    // The expression ends at the first = before which there is one.
    subject: f.way === 'subject' ? `${expression.includes('=') ? `(${expression})` : expression}=${f.value.trim()}` : undefined,
    sql: f.way === 'sql' ? f.sql : undefined,
    flow: f.flow || undefined,
    note: f.note.trim() || undefined,
    requestedBy: f.requestedBy.trim() || undefined,
  }
  return Object.fromEntries(Object.entries(body).filter(([, v]) => v !== undefined))
}

/** What is typed to confirm: the name of whose data it is, or, of a statement, how many executions it gave. */
export function confirmation(f: Form, total: number): string {
  return f.way === 'subject' ? f.value.trim() : `erase ${total}`
}

/** What an erasure does, in the order of the API's stages. */
const stages: Record<string, string> = {
  list: 'Writing down which executions',
  read: 'Letting the history read what Kafka holds',
  cancel: 'Cancelling what is open',
  keys: 'Deleting keys',
  write: 'Letting every process hear of it',
  blobs: 'Removing large bodies and files',
  rows: 'Clearing the history',
  verify: 'Looking for what is left',
  files: 'Waiting until ClickHouse has dropped the files it replaced',
  certificate: 'Making the certificate',
}

/** How far an erasure is, from 0 to 1, and what it does. */
export function progress(e: Pick<Erasure, 'state' | 'stage' | 'waitingFor'>): { share: number; doing: string } {
  if (e.state === 'finished') return { share: 1, doing: 'Finished' }
  const names = Object.keys(stages)
  const at = names.indexOf(e.stage ?? '')
  const doing = stages[e.stage ?? ''] ?? 'Waiting for a process to work on it'
  return { share: Math.max(0, at) / names.length, doing: e.waitingFor ? `${doing}: waits for ${e.waitingFor}` : doing }
}

const counted: [keyof Count, one: string, many: string][] = [
  ['hooks', 'hook', 'hooks'],
  ['executions', 'execution', 'executions'],
  ['steps', 'attempt of a step', 'attempts of steps'],
  ['differences', 'report of a dry run', 'reports of dry runs'],
  ['blobs', 'large body or file', 'large bodies and files'],
  ['keys', 'key of what is in Kafka', 'keys of what is in Kafka'],
  ['open', 'open execution, cancelled', 'open executions, cancelled'],
]

/** The rows of a count, without what there is none of. */
export const rowsOf = (c: Count) =>
  counted.flatMap(([key, one, many]) => (c[key] ? [{ key, n: c[key], label: c[key] === 1 ? one : many }] : []))
