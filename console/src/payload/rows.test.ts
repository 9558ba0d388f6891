import { expect, it } from 'vitest'
import { find, limitsFor, member, openAtFirst, rowsOf, shownAtOnce } from './rows.ts'

it('shows what is open, and no more', () => {
  const v = { a: { b: [1, 2] }, c: 'x' }
  expect(rowsOf(v, new Set(['body']), 'body').map(r => r.path)).toEqual(['body', 'body.a', 'body.c'])
  expect(rowsOf(v, new Set(['body', 'body.a', 'body.a.b']), 'body').map(r => r.path)).toEqual([
    'body',
    'body.a',
    'body.a.b',
    'body.a.b[0]',
    'body.a.b[1]',
    'body.c',
  ])
})

it('makes paths that are expressions', () => {
  expect(member('body', 'pet name')).toBe('body.`pet name`')
  expect(member('', 'a')).toBe('a')
})

it('finds keys and values with what is around them', () => {
  expect(find({ a: [{ Name: 'Gromit' }] }, 'gromit', 'body')).toEqual([{ path: 'body.a[0].Name', around: ['body', 'body.a', 'body.a[0]'] }])
  expect(find({ petname: 1 }, 'PETN', 'body').map(h => h.path)).toEqual(['body.petname'])
})

it('stays quick with five megabytes', () => {
  const big = {
    items: Array.from({ length: 60_000 }, (_, i) => ({ id: i, name: `pet number ${i}`, tags: ['a', 'b'], note: 'x'.repeat(40) })),
  }
  expect(JSON.stringify(big).length).toBeGreaterThan(5e6)
  const begin = performance.now()
  const rows = rowsOf(big, openAtFirst(big, 'body'), 'body')
  const hits = find(big, 'number 59999', 'body')
  expect(performance.now() - begin).toBeLessThan(1500)
  expect(rows.length).toBeLessThan(2 * shownAtOnce)
  expect(hits).toHaveLength(1)
})

it('shows a hit that is beyond what is shown at once', () => {
  const big = {
    items: Array.from({ length: 2000 }, (_, i) => ({ id: i })),
    ...Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`k${i}`, `v${i}`])),
  }
  for (const text of ['1999', 'v899']) {
    const hit = find(big, text, 'body').at(-1)!
    const rows = rowsOf(big, new Set(hit.around), 'body', limitsFor(big, hit, new Map()))
    expect(rows.some(r => r.path === hit.path)).toBe(true)
  }
  const near = find(big, 'v1', 'body')[0]!
  const none = new Map<string, number>()
  expect(limitsFor(big, near, none)).toBe(none)
})
