import { expect, it } from 'vitest'
import { asked, decode, empty, encode, heard, heldBack, inWords, keep, type TailEvent, type TailFilters } from './events.ts'

const e = (n: number, kind: TailEvent['kind'] = 'hook'): TailEvent => ({ kind, at: '', flow: 'f', execution: String(n) })

it.each<TailFilters>([
  { flow: '', kind: [], failed: false, q: '' },
  { flow: 'a&b', kind: ['hook', 'execution'], failed: true, q: '<script> 1e5' },
])('filters are read from the address as they were written %#', f => expect(decode(encode(f))).toEqual(f))

it('asks for what failed by its statuses', () => {
  expect(asked({ flow: 'f', kind: ['step'], failed: true, q: '' })).toBe('flow=f&kind=step&status=failed%2Cretrying%2Cunknown')
})

it('has the newest first, and waits while one reads', () => {
  let t = heard(empty, [e(1), e(2)], false)
  t = heard(t, [e(3)], true)
  expect(t.shown.map(x => x.execution)).toEqual(['2', '1'])
  expect(t.waiting).toHaveLength(1)
  t = heard(t, [e(4)], false)
  expect(t.shown.map(x => x.execution)).toEqual(['4', '3', '2', '1'])
  expect(t.waiting).toEqual([])
})

it('counts what it does not keep', () => {
  let t = heard(
    empty,
    Array.from({ length: keep + 2 }, (_, i) => e(i, i < 2 ? 'step' : 'hook')),
    true,
  )
  t = heldBack(t, { hook: 1000 })
  expect(t.waiting).toHaveLength(keep)
  expect(inWords(t.held, String)).toBe('1000 hooks, 2 steps')
})
