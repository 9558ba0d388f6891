import { expect, test } from 'vitest'
import { parseJSON } from '../flow/exact.ts'
import { cell, chartOf, csv, executionColumn, numeric, type Result, replayable, seconds } from './shape.ts'

const result = (columns: [string, string][], rows: Result['rows']): Result => ({
  columns: columns.map(([name, type]) => ({ name, type })),
  rows,
  truncated: false,
  statistics: { rows: rows.length, elapsedMs: 1 },
})

test('numbers over time are a line, words with a number are bars, and the rest is a table', () => {
  const time: [string, string] = ['minute', "DateTime64(6, 'UTC')"]
  expect(
    chartOf(
      result(
        [time, ['n', 'UInt64']],
        [
          ['a', 1],
          ['b', 2],
        ],
      ),
    ),
  ).toEqual({ kind: 'line', x: 0, y: [1] })
  expect(
    chartOf(
      result(
        [
          ['status', 'LowCardinality(Nullable(String))'],
          ['n', 'Nullable(Float64)'],
        ],
        [
          ['a', 1],
          ['b', 2],
        ],
      ),
    ),
  ).toEqual({ kind: 'bars', label: 0, value: 1 })
  expect(chartOf(result([['n', 'UInt64']], [[1], [2]]))).toBeNull()
  expect(chartOf(result([time, ['n', 'UInt64']], [['a', 1]]))).toBeNull()
})

test('a time without a zone is UTC', () => {
  expect(seconds('2026-01-02 03:04:05')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5) / 1000)
  expect(seconds('2026-01-02T03:04:05.5Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 500) / 1000)
  expect(seconds('2026-01-02')).toBe(Date.UTC(2026, 0, 2) / 1000)
  expect(seconds('soon')).toBeNull()
})

test('digits stay in the table and in CSV', () => {
  const big = parseJSON('12345678901234567890')
  expect(cell(big)).toBe('12345678901234567890')
  expect(numeric(big)).toBe(12345678901234567000)
  expect(numeric('7')).toBe(7)
  expect(numeric(null)).toBeNull()
  expect(csv(result([['n', 'UInt64']], [[big]]))).toBe('n\r\n12345678901234567890\r\n')
})

test('CSV quotes what must be quoted, and disarms formulas', () => {
  const r = result(
    [
      ['a', 'String'],
      ['b', 'String'],
    ],
    [
      ['x,"y"', 'two\nlines'],
      ['=HYPERLINK("http://evil.example")', null],
    ],
  )
  expect(csv(r)).toBe('a,b\r\n"x,""y""","two\nlines"\r\n"\'=HYPERLINK(""http://evil.example"")",\r\n')
})

test('a column of executions is found by name and type', () => {
  expect(
    executionColumn(
      result(
        [
          ['flow', 'String'],
          ['execution_id', 'UUID'],
        ],
        [],
      ),
    ),
  ).toBe(1)
  expect(executionColumn(result([['id', 'String']], []))).toBe(-1)
})

test('a statement that gives executions selects them for a replay', () => {
  const ids = result([['id', 'UUID']], [['a']])
  expect(replayable(ids, ' SELECT id FROM executions; ')).toBe('SELECT id FROM executions')
  expect(replayable(result([['execution', 'UUID']], [['a']]), 'SELECT 1')).toBe('SELECT execution AS execution_id FROM (\nSELECT 1\n)')
  expect(replayable(ids, 'DESCRIBE executions')).toBe('')
  expect(replayable(result([['id', 'UUID']], []), 'SELECT 1')).toBe('')
  expect(replayable(result([['n', 'UInt8']], [[1]]), 'SELECT 1')).toBe('')
})
