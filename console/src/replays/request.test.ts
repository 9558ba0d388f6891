import { describe, expect, it } from 'vitest'
import { none } from '../executions/filters.ts'
import { blank, formOf, replayOfFilters, requestOf, wrong } from './request.ts'

describe('the form of a new replay', () => {
  it('is filled from the address', () => {
    expect(formOf('?flow=pets&status=failed,cancelled&since=1h&q=boom')).toMatchObject({
      way: 'filters',
      flow: 'pets',
      status: ['failed', 'cancelled'],
      from: '1h',
      text: 'boom',
    })
    expect(formOf('?sql=SELECT+id+FROM+executions')).toMatchObject({ way: 'sql', sql: 'SELECT id FROM executions' })
    expect(formOf('?changedIn=r1&version=draft&dryRun=false')).toMatchObject({ way: 'changed', version: 'draft', dryRun: false })
  })

  it('sends only the way that was chosen, and what a real replay alone has only with a real one', () => {
    const f = { ...blank, flow: 'pets', sql: 'SELECT 1', rate: '50', maxFailures: '3', sameKeys: true }
    expect(requestOf(f)).toEqual({ flow: 'pets', version: 'live', dryRun: true, answers: 'recorded', from: '24h' })
    expect(requestOf({ ...f, way: 'sql', dryRun: false })).toEqual({
      flow: 'pets',
      version: 'live',
      rate: 50,
      maxFailures: 3,
      sameKeys: true,
      sql: 'SELECT 1',
      replays: true,
    })
    expect(requestOf({ ...f, offsets: '0:1-5, 1:2-3' })).toMatchObject({ offsets: ['0:1-5', '1:2-3'] })
  })

  it('says what is missing', () => {
    expect(Object.keys(wrong(blank))).toEqual(['flow'])
    expect(Object.keys(wrong({ ...blank, field: 'body.id=42' }))).toEqual([])
    expect(Object.keys(wrong({ ...blank, field: 'id=42', flow: 'pets' }))).toEqual(['field'])
    expect(Object.keys(wrong({ ...blank, field: 'body.id=42', version: 'draft' }))).toEqual(['flow'])
    expect(Object.keys(wrong({ ...blank, way: 'sql', version: 'draft', rate: 'fast', maxFailures: '0' }))).toEqual([
      'flow',
      'sql',
      'rate',
      'maxFailures',
    ])
  })
})

describe('a replay of what the run log shows', () => {
  it('has the same filters', () => {
    const address = replayOfFilters({ ...none, flow: 'pets', status: ['failed'], since: '1h', q: 'a b' })
    expect(formOf(address.slice(address.indexOf('?')))).toMatchObject({ flow: 'pets', status: ['failed'], from: '1h', text: 'a b' })
  })
  it('becomes a statement where the API has no filter, quoted', () => {
    const address = replayOfFilters({ ...none, flow: "o'x", replay: 'r1' })
    expect(formOf(address.slice(address.indexOf('?'))).sql).toBe("SELECT id FROM executions WHERE flow = 'o\\'x' AND replay = 'r1'")
  })
  it('keeps the time in such a statement', () => {
    const sql = (f: Partial<typeof none>) => new URLSearchParams(replayOfFilters({ ...none, replay: 'r1', ...f }).split('?')[1]).get('sql')
    expect(sql({ since: '1h30m', until: '15m' })).toBe(
      "SELECT id FROM executions WHERE started_at >= now64(3) - INTERVAL 5400 SECOND AND started_at < now64(3) - INTERVAL 900 SECOND AND replay = 'r1'",
    )
    expect(sql({ since: '2026-01-31T09:00:00Z' })).toContain("started_at >= parseDateTime64BestEffort('2026-01-31T09:00:00Z', 6)")
  })
  it('asks for a field of the body as the run log does, beside a statement too', () => {
    const of = (f: Partial<typeof none>) => {
      const address = replayOfFilters({ ...none, ...f })
      return requestOf(formOf(address.slice(address.indexOf('?'))))
    }
    const field = "body.items[].`a.b`=it's=a & b"
    expect(of({ flow: 'pets', field })).toEqual({ flow: 'pets', version: 'live', dryRun: true, answers: 'recorded', field: [field] })
    expect(of({ step: 'tell', field })).toMatchObject({ sql: "SELECT id FROM executions WHERE error_step = 'tell'", field: [field] })
  })
  it('keeps the text in such a statement, quoted', () => {
    const sql = new URLSearchParams(replayOfFilters({ ...none, step: 'tell', q: "it's" }).split('?')[1]).get('sql')
    expect(sql).toContain("error_step = 'tell'")
    expect(sql).toContain("positionCaseInsensitiveUTF8(error, 'it\\'s') > 0")
    expect(sql).toContain("positionCaseInsensitiveUTF8(body, 'it\\'s') > 0")
  })
})
