import { expect, test } from 'vitest'
import { Exact } from '../flow/exact.ts'
import { everyInWords, passes, watched } from './queries.ts'

test('the value of a result is the first number of its first row', () => {
  expect(watched([])).toBe(0)
  expect(watched([['pets', 12, 13]])).toBe(12)
  expect(watched([['pets', '12']])).toBe(12) // 64-bit counts come as text
  expect(watched([[new Exact('12345678901234567890')]])).toBeCloseTo(1.2345678901234567e19)
  expect(watched([['pets']])).toBeUndefined()
})

test.each([
  [2, '>', 1, true],
  [1, '>', 1, false],
  [1, '>=', 1, true],
  [0, '<', 1, true],
  [1, '<=', 1, true],
  [1, '=', 1, true],
  [1, '!=', 1, false],
] as const)('%d %s %d', (v, when, t, want) => expect(passes(v, when, t)).toBe(want))

test.each([
  ['1m0s', 'minute'],
  ['30s', '30 seconds'],
  ['1h0m0s', 'hour'],
  ['2h30m0s', '150 minutes'],
  [undefined, 'minute'],
])('every %s', (every, want) => expect(everyInWords(every)).toBe(want))
