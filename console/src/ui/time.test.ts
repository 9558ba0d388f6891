import { expect, it } from 'vitest'
import { ago, bytes, duration } from './time.ts'

it.each([
  [null, '–'],
  [0.002, '< 0.1 ms'],
  [0.26, '0.3 ms'],
  [12.4, '12 ms'],
  [1500, '1.50 s'],
  [61_000, '1 min 1 s'],
  [3_720_000, '1 h 2 min'],
] as const)('%s ms is %s', (ms, text) => expect(duration(ms)).toBe(text))

it('says how long ago in one unit', () => {
  const now = Date.parse('2026-01-31T12:00:00Z')
  expect(ago('2026-01-31T11:59:58Z', now)).toBe('just now')
  expect(ago('2026-01-31T11:00:00Z', now)).toBe('1 h ago')
  expect(ago('2026-01-31T12:00:09Z', now)).toBe('just now') // another clock
})

it('sizes', () => expect([bytes(5), bytes(2048), bytes(5 << 20)]).toEqual(['5 B', '2.0 KiB', '5.0 MiB']))
