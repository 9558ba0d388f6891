import { describe, expect, it } from 'vitest'
import { blank, confirmation, formOf, progress, requestOf, rowsOf, wrong } from './request.ts'

const ann = { ...blank, expression: ' body.email ', value: ' ann@example.com ' }

describe('the form of an erasure', () => {
  it('sends only the way that was chosen', () => {
    expect(requestOf({ ...ann, sql: 'SELECT 1', flow: 'orders', note: ' case 7 ' })).toEqual({
      subject: 'body.email=ann@example.com',
      flow: 'orders',
      note: 'case 7',
    })
    expect(requestOf({ ...ann, way: 'sql', sql: 'SELECT id FROM hooks', requestedBy: 'Bob' })).toEqual({
      sql: 'SELECT id FROM hooks',
      requestedBy: 'Bob',
    })
  })
  it('keeps an expression with an equals sign in one piece', () => {
    expect(requestOf({ ...ann, expression: 'body.who[kind="x"].email', value: 'a=b' }).subject).toBe('(body.who[kind="x"].email)=a=b')
  })
  it('says what is missing', () => {
    expect(Object.keys(wrong(blank))).toEqual(['expression', 'value'])
    expect(Object.keys(wrong({ ...ann, way: 'sql' }))).toEqual(['sql'])
    expect(wrong(ann)).toEqual({})
  })
  it('takes an execution from the address, and nothing else of a statement', () => {
    const id = '0198c1de-0000-7000-8000-000000000001'
    expect(formOf(`?flow=orders&execution=${id}`)).toMatchObject({
      way: 'sql',
      flow: 'orders',
      sql: `SELECT id FROM executions WHERE id = '${id}'`,
    })
    expect(formOf("?execution=x' OR 1=1")).toEqual(blank)
    expect(formOf('?value=ann&sql=SELECT+1')).toEqual(blank)
  })
  it('is confirmed by the name of whose data it is, and a statement by how many it gives', () => {
    expect(confirmation(ann, 3)).toBe('ann@example.com')
    expect(confirmation({ ...ann, way: 'sql' }, 3)).toBe('erase 3')
  })
})

describe('how an erasure stands', () => {
  it('goes forward through the stages', () => {
    const shares = ['list', 'read', 'cancel', 'keys', 'write', 'blobs', 'rows', 'verify', 'files', 'certificate'].map(
      stage => progress({ state: 'running', stage }).share,
    )
    expect(shares).toEqual([...shares].sort((a, b) => a - b))
    expect(new Set(shares).size).toBe(shares.length)
    expect(progress({ state: 'running' })).toEqual({ share: 0, doing: 'Waiting for a process to work on it' })
    expect(progress({ state: 'finished' }).share).toBe(1)
  })
  it('says what it waits for', () => {
    expect(progress({ state: 'running', stage: 'cancel', waitingFor: 'the runner' }).doing).toBe(
      'Cancelling what is open: waits for the runner',
    )
  })
  it('leaves out what there is none of', () => {
    const c = { executions: 1, hooks: 2, steps: 0, differences: 0, blobs: 0, keys: 1, open: 0, unsealed: 2 }
    expect(rowsOf(c).map(r => `${r.n} ${r.label}`)).toEqual(['2 hooks', '1 execution', '1 key of what is in Kafka'])
  })
})
