import { Exact, type Json } from '../flow/exact.ts'

/** What POST /api/v1/query answers. */
export interface Result {
  columns: { name: string; type: string }[]
  rows: Json[][]
  truncated: boolean
  statistics: { rows: number; elapsedMs: number; readRows?: number; readBytes?: number }
}

/** How a result can be drawn: a line over time, or a bar for each word. */
export type Chart = { kind: 'line'; x: number; y: number[] } | { kind: 'bars'; label: number; value: number }

const bare = (type: string) => type.replace(/^(?:LowCardinality|Nullable)\((.*)\)$/, '$1').replace(/^Nullable\((.*)\)$/, '$1')
const isTime = (type: string) => /^Date/.test(bare(type))
const isNumber = (type: string) => /^(?:U?Int|Float|Decimal)/.test(bare(type))
const isWord = (type: string) => /^(?:String|FixedString|Enum|UUID|Bool)/.test(bare(type))

/** The number of a cell; null where it is none. A UInt64 comes as a number with all its digits, or as text. */
export function numeric(v: Json | undefined): number | null {
  if (v === null || v === undefined || v === '') return null
  const n = typeof v === 'number' ? v : v instanceof Exact || typeof v === 'string' ? Number(v.toString()) : Number.NaN
  return Number.isFinite(n) ? n : null
}

/** Seconds since 1970 of a cell that is a time; ClickHouse's times without a zone are UTC. */
export function seconds(v: Json | undefined): number | null {
  if (typeof v !== 'string') return null
  const text = v.includes('T') ? v : v.replace(' ', 'T')
  const ms = Date.parse(/(?:Z|[+-]\d\d:\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`)
  return Number.isNaN(ms) ? null : ms / 1000
}

/** The chart that says most about a result, or null where a table says all. */
export function chartOf(r: Result): Chart | null {
  if (r.rows.length < 2) return null
  const numbers = r.columns.flatMap((c, i) => (isNumber(c.type) ? [i] : []))
  const x = r.columns.findIndex(c => isTime(c.type))
  if (x >= 0 && numbers.length > 0) return { kind: 'line', x, y: numbers.slice(0, 6) }
  const label = r.columns.findIndex(c => isWord(c.type))
  if (label >= 0 && numbers.length > 0 && r.rows.length <= 50) return { kind: 'bars', label, value: numbers[0]! }
  return null
}

/** A cell as text: JSON for what is made of parts. */
export function cell(v: Json | undefined): string {
  if (v === null || v === undefined) return ''
  if (typeof v === 'object' && !(v instanceof Exact)) return JSON.stringify(v)
  return String(v)
}

/** The result as CSV (RFC 4180). A text that a spreadsheet would run as a formula is quoted by an apostrophe. */
export function csv(r: Result): string {
  const field = (v: Json | undefined) => {
    let text = cell(v)
    if (typeof v === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [r.columns.map(c => field(c.name)), ...r.rows.map(row => row.map(field))].map(line => `${line.join(',')}\r\n`).join('')
}

/** The column whose cells are executions, so that a row leads to one; -1 where there is none. */
export function executionColumn(r: Result): number {
  return r.columns.findIndex(c => bare(c.type) === 'UUID' && /^(?:id|execution|execution_id)$/.test(c.name))
}

/** The statement that selects a result's executions for a replay; empty where there are none. */
export function replayable(r: Result, statement: string): string {
  const column = r.columns[executionColumn(r)]?.name
  const bareStatement = statement.trim().replace(/;$/, '')
  if (!column || r.rows.length === 0 || !/^(?:SELECT|WITH)\b/i.test(bareStatement)) return ''
  return column === 'execution' ? `SELECT execution AS execution_id FROM (\n${bareStatement}\n)` : bareStatement
}
