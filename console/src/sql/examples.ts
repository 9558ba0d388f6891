/** The views that statements may ask; their columns stay as they are over versions. */
export const views = [
  { name: 'executions', about: 'one row each' },
  { name: 'steps', about: 'one row an attempt' },
  { name: 'hooks', about: 'one row a request' },
]

export const examples = [
  {
    title: 'Executions by status',
    sql: 'SELECT status, count() AS executions\nFROM executions\nGROUP BY status\nORDER BY executions DESC',
  },
  {
    title: 'Executions and failures a minute',
    sql: "SELECT toStartOfMinute(started_at) AS minute, count() AS executions, countIf(status = 'failed') AS failed\nFROM executions\nWHERE started_at > now() - INTERVAL 1 HOUR\nGROUP BY minute\nORDER BY minute",
  },
  {
    title: 'Slowest steps',
    sql: "SELECT concat(flow, ' · ', step) AS step, round(quantile(0.95)(duration_ms), 2) AS p95_ms, count() AS attempts\nFROM steps\nGROUP BY step\nORDER BY p95_ms DESC\nLIMIT 20",
  },
  {
    title: 'Most frequent errors',
    sql: "SELECT error, count() AS times\nFROM executions\nWHERE status = 'failed'\nGROUP BY error\nORDER BY times DESC\nLIMIT 20",
  },
  {
    title: 'Latest executions',
    sql: 'SELECT id, flow, status, started_at, duration_ms, error\nFROM executions\nORDER BY started_at DESC\nLIMIT 100',
  },
]
