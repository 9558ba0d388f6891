import { describe, expect, it } from 'vitest'
import { decode, encode, type Filters, none, searchFor, shows, statuses } from './filters.ts'

const some: Filters[] = [
  none,
  { ...none, flow: 'pets', status: ['failed'] },
  { ...none, status: statuses, since: '1h' },
  { ...none, q: 'a&b=c #% + "<script>" ünï 1e5', id: '0192', until: '2026-01-31T09:00:00Z' },
  { ...none, field: 'body.items[].sku=A 1&b' },
  { ...none, replayOf: '0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001', replay: 'r1' },
]

describe('filters and their address', () => {
  it.each(some)('are read as they were written %#', f => {
    expect(decode(encode(f))).toEqual(f)
  })
  it('are nothing at a bare address', () => {
    expect(encode(none)).toBe('')
    expect(decode('')).toEqual(none)
  })
  it('leave out what is no status, in any spelling of several', () => {
    expect(decode('?status=failed,nonsense&status=running').status).toEqual(['failed', 'running'])
  })
  it('are an address people can read', () => {
    expect(encode({ ...none, flow: 'pets', status: ['failed', 'running'] })).toBe('?flow=pets&status=failed,running')
  })
})

describe('what one types into the search', () => {
  it('is a field of the body when it says where and what', () => {
    expect(searchFor(' body.customer.id=42 ')).toEqual({ q: '', field: 'body.customer.id=42' })
    expect(searchFor('body.a=b=c')).toEqual({ q: '', field: 'body.a=b=c' })
  })
  it('is a text otherwise', () => {
    for (const q of ['gromit', 'body', 'no body.x', 'everybody.a=1', 'body=1']) expect(searchFor(q)).toEqual({ q, field: '' })
  })
})

describe('a live row', () => {
  const x = { id: '0192f5d2-7c3a', flow: 'pets', status: 'failed', replayOf: null }
  it('belongs to the views that its row answers', () => {
    expect(shows(none, x)).toBe(true)
    expect(shows({ ...none, flow: 'cats' }, x)).toBe(false)
    expect(shows({ ...none, status: ['succeeded'] }, x)).toBe(false)
    expect(shows({ ...none, id: '0192F5D27' }, x)).toBe(true)
    expect(shows({ ...none, q: 'gromit' }, x)).toBe(false)
  })
})
