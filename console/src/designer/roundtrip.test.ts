import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { settingFaults } from '../flow/check.ts'
import type { FlowDocument } from '../flow/document.ts'
import { parseJSON, printJSON } from '../flow/exact.ts'
import { parents, TRIGGER, withParents } from '../flow/graph.ts'
import type { Schema } from '../flow/schema.ts'
import { fromYAML, toYAML } from '../flow/yaml.ts'
import { Draft } from './draft.ts'
import { facesOf } from './faces.ts'
import { edgesOf, neighbour, place } from './layout.ts'

const root = `${process.cwd()}/../`
const read = (path: string) => readFileSync(root + path, 'utf8')
const schema = JSON.parse(read('schemas/flow.schema.json')) as Schema

// Every flow document of the repository that the server takes: the documents
// that it is tested on, the demo, the runner's stories and the README.
const texts = [
  ...readdirSync(`${root}schemas/testdata/documents`)
    .filter(n => n.endsWith('.yaml') && read(`schemas/testdata/documents/${n}.golden`).startsWith('ok'))
    .map(n => [n, read(`schemas/testdata/documents/${n}`)]),
  ...readdirSync(`${root}deploy/demo`)
    .filter(n => n.endsWith('.yaml'))
    .map(n => [`demo/${n}`, read(`deploy/demo/${n}`)]),
  ...readdirSync(`${root}processors/run/testdata`)
    .filter(n => n.endsWith('.txtar'))
    .map(n => [n, /^-- flow --\n([\s\S]*?)^-- /m.exec(read(`processors/run/testdata/${n}`))?.[1] ?? '']),
  ...[...read('README.md').matchAll(/```ya?ml\n([\s\S]*?)```/g)].map((m, i) => [`README ${i}`, m[1]!]),
] as [string, string][]
const documents = texts
  .flatMap(([name, text]) => text.split(/^---$/m).map((t, i) => [`${name} ${i}`, t] as const))
  .filter(([, t]) => /^kind: Flow$/m.test(t))
  .map(([name, t]) => [name, fromYAML(t)] as const)

describe('the designer opens and saves every flow document of the repository unchanged', () => {
  test('there are many', () => expect(documents.length).toBeGreaterThan(20))
  test.each(documents)('%s', async (_, doc) => {
    const text = printJSON(doc)
    localStorage.clear()
    const asked: string[] = []
    vi.stubGlobal('fetch', async (input: Request) => {
      asked.push(input.method)
      return new Response(`{"id":"f","name":"","state":"stopped","version":0,"hasDraft":true,"hookUrl":"","draft":${text}}`, {
        headers: { 'Content-Type': 'application/json', ETag: '"1"' },
      })
    })
    const draft = await Draft.load('f')
    await draft.save()
    expect(asked).toEqual(['GET'])
    expect(printJSON(draft.doc)).toBe(text)
    // What the canvas, the YAML view and the settings make of it changes nothing either.
    expect(withParents(doc, parents(doc)).steps).toEqual(doc.steps)
    expect(printJSON(fromYAML(toYAML(doc)))).toBe(text)
    expect(printJSON(parseJSON(text))).toBe(text)
    expect(settingFaults(doc, schema)).toEqual([])
    expect(printJSON(doc)).toBe(text)
    vi.unstubAllGlobals()
  })
})

describe('the layout', () => {
  test.each(documents)('%s: nothing lies on something else, and each step is below what it runs after', (_, doc) => {
    const placed = place(doc)
    const at = new Map(placed.nodes.map(n => [n.id, n]))
    expect([...at.keys()].sort()).toEqual([TRIGGER, ...doc.steps.map(s => s.id)].sort())
    for (const e of edgesOf(doc)) expect(at.get(e.to)!.y).toBeGreaterThan(at.get(e.from)!.y + 76)
    for (const a of placed.nodes) {
      for (const b of placed.nodes) if (a.id < b.id) expect(Math.abs(a.x - b.x) >= 264 || Math.abs(a.y - b.y) >= 76).toBe(true)
    }
    const known = { connectors: undefined, wrong: [], open: [], outcomes: new Map(), at: '', renaming: '' }
    expect(facesOf(doc, known).size).toBe(placed.nodes.length)
  })
  test('arrows lead from each step to those before, behind and beside', () => {
    const doc: FlowDocument = {
      kind: 'Flow',
      trigger: { uses: 'webhook/receive' },
      steps: ['a', 'b', 'c', 'd'].map(id => ({ id, uses: 'mapper/map', after: { a: [], b: ['a'], c: ['a'], d: ['b', 'c'] }[id] })),
    }
    const placed = place(doc)
    expect(neighbour(placed, TRIGGER, 'down')).toBe('a')
    expect(neighbour(placed, 'd', 'up')).toMatch(/[bc]/)
    const left = placed.nodes.find(n => n.id === 'b')!.x < placed.nodes.find(n => n.id === 'c')!.x ? 'b' : 'c'
    const right = left === 'b' ? 'c' : 'b'
    expect(neighbour(placed, left, 'right')).toBe(right)
    expect(neighbour(placed, right, 'left')).toBe(left)
    expect(neighbour(placed, left, 'left')).toBeUndefined()
    expect(neighbour(placed, TRIGGER, 'up')).toBeUndefined()
  })
})
