import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type FoldEvent, type Folded, fold } from './fold.ts'

const folder = join(process.cwd(), '../schemas/testdata/fold/')

interface Golden {
  says: string
  execution: Folded
  events: FoldEvent[]
  expected: Folded
}

const golden = readdirSync(folder).map(name => [name, JSON.parse(readFileSync(folder + name, 'utf8')) as Golden] as const)

// What protobuf leaves out, its defaults, is not there in either.
const plain = (x: Folded) => JSON.parse(JSON.stringify(x, (_, v) => (v === '0' || v === 0 ? undefined : v)))

it('has golden files to read', () => expect(golden.length).toBeGreaterThan(3))

it.each(golden)('%s comes out as in Go', (_, g) => {
  expect(plain(g.events.reduce(fold, g.execution))).toEqual(plain(g.expected))
})

it.each(golden)('%s comes out the same when every event comes twice', (_, g) => {
  expect(plain(g.events.flatMap(e => [e, e]).reduce(fold, g.execution))).toEqual(plain(g.expected))
})
