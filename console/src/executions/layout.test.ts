import { expect, it } from 'vitest'
import { layoutOf } from './layout.ts'

const step = (id: string, after?: string[]) => ({ id, uses: 'mapper/map', after })

it('puts each step below the one above', () => {
  expect(layoutOf({ steps: [step('a'), step('b')] }).nodes).toEqual([
    { id: 'trigger', row: 0, column: 0 },
    { id: 'a', row: 1, column: 0 },
    { id: 'b', row: 2, column: 0 },
  ])
})
it('puts branches beside each other and a join below both', () => {
  const l = layoutOf({ steps: [step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c'])] })
  expect(l.nodes.slice(2).map(n => [n.id, n.row, n.column])).toEqual([
    ['b', 2, 0],
    ['c', 2, 1],
    ['d', 3, 0],
  ])
  expect(l.edges).toContainEqual(['c', 'd'])
})
it('ends on a document that goes in circles', () => {
  expect(layoutOf({ steps: [step('a', ['b']), step('b', ['a'])] }).nodes).toHaveLength(3)
})
