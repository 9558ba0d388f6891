import { render } from '@testing-library/react'
import { expect, it } from 'vitest'
import { Columns, Lines, pathOf, roundUp } from './chart.tsx'

const time = (t: number) => `at ${t}`

it('shows a point that stands alone, and lines between neighbours', () => {
  const { line, dots } = pathOf(
    [1, Number.NaN, 3, 4],
    i => i,
    v => v,
  )
  expect(dots).toBe('M0,1h0')
  expect(line).toBe('M2,3L3,4')
})

it('draws a series of one point', () => {
  const { container } = render(
    <Lines label="Latency" at={[60]} time={time} format={String} lines={[{ name: 'p50', colour: 'red', values: [5] }]} />,
  )
  expect(container.querySelector('path[data-dots]')?.getAttribute('d')).toMatch(/^M50,/)
})

it('has one frame for each chart, with its scale once', () => {
  for (const chart of [
    <Columns key="c" label="Executions" at={[0, 60]} time={time} stacks={[{ name: 'good', colour: 'green', values: [3, 7] }]} />,
    <Lines key="l" label="Latency" at={[0, 60]} time={time} format={String} lines={[{ name: 'p50', colour: 'red', values: [3, 7] }]} />,
  ]) {
    const { container, unmount } = render(chart)
    expect(container.querySelectorAll('figure')).toHaveLength(1)
    expect(container.querySelectorAll('svg')).toHaveLength(1)
    expect(container.textContent).toBe('1050at 0at 60')
    unmount()
  }
})

it.each([
  [0, 1],
  [1, 1],
  [3, 5],
  [7, 10],
  [120, 200],
  [0.03, 0.05],
])('rounds %s up to %s', (v, top) => expect(roundUp(v)).toBeCloseTo(top))
