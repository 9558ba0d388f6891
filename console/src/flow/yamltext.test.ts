// @vitest-environment node
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { addStep, removeStep, setInput, setStep, setTrigger } from './edit.ts'
import { same } from './exact.ts'
import { fromYAML, toYAML } from './yaml.ts'
import { contextAt } from './yamlcontext.ts'
import { hasComments, placesIn, rewriteYAML } from './yamltext.ts'

const text = `# Pets of the shop.
kind: Flow
name: Pets   # what people call it
trigger:
  uses: webhook/receive
  sample: {id: 12345678901234567890, price: 1.10}

steps:
  # First make it.
  - id: create
    uses: petstore/create-pet
    input: # from the body
      name: =body.petname
      status: 'Sold'
  - id: log
    uses: log/write
`

describe('a change of the document goes into the text', () => {
  test.each([
    ['a field', setStep('create', 'name', 'Make it')],
    ['a mapping', setInput('create', 'name', '=$uppercase(body.petname)')],
    ['a step more', addStep({ id: 'more', uses: 'mapper/map', input: { n: 1 } }, { after: 'create' })],
    ['a step less', removeStep('log')],
    ['a note of several lines', setTrigger('note', 'one\ntwo # three\n')],
    ['a sample', setTrigger('sample', { id: 7 })],
  ])('%s', (_, edit) => {
    const doc = edit(fromYAML(text))
    const written = rewriteYAML(text, doc)
    expect(same(fromYAML(written), doc)).toBe(true)
    for (const comment of ['# Pets of the shop.', '# what people call it', '# First make it.', '# from the body'])
      expect(written).toContain(comment)
    expect(written).toContain("status: 'Sold'")
    if (!edit(fromYAML(text)).trigger.note && !same(doc.trigger.sample, { id: 7 }))
      expect(written).toContain('{ id: 12345678901234567890, price: 1.10 }')
  })
  test('a text that says it already stays as it is', () => expect(rewriteYAML(text, fromYAML(text))).toBe(text))
  test('a text that is none is written anew', () => expect(rewriteYAML('kind: [', fromYAML(text))).toBe(toYAML(fromYAML(text))))
  test('every document into every other', () => {
    const folder = `${process.cwd()}/../schemas/testdata/documents/`
    const texts = readdirSync(folder)
      .filter(n => n.endsWith('.yaml'))
      .flatMap(n => readFileSync(folder + n, 'utf8').split(/^---$/m))
      .filter(t => {
        try {
          return !!fromYAML(t)
        } catch {
          return false
        }
      })
    expect(texts.length).toBeGreaterThan(5)
    for (const a of texts) for (const b of texts) expect(same(fromYAML(rewriteYAML(a, fromYAML(b))), fromYAML(b))).toBe(true)
  })
})

test('comments are seen, and a # within a text is none', () => {
  expect(hasComments(text)).toBe(true)
  expect(hasComments('kind: Flow\nnote: "a # b"\n')).toBe(false)
})

test.each([
  [['trigger', 'uses'], 'uses: webhook/receive'],
  [['steps', 0, 'input', 'name'], 'name: =body.petname'],
  [['steps', 1], 'id: log'],
  [['steps', 1, 'input', 'message'], 'id: log'],
] as const)('the place of %j', (path, want) => {
  const { from, to } = placesIn(text)([...path])
  expect(text.slice(from, to)).toBe(want)
})

// The cursor is where | stands.
test.each<[string, unknown]>([
  ['kind: Flow\n|', { path: [], is: 'key', typed: '', siblings: ['kind'] }],
  ['kind: Flow\nna|', { path: [], is: 'key', typed: 'na' }],
  ['trigger:\n  uses: web|', { path: ['trigger', 'uses'], is: 'value', typed: 'web' }],
  ['trigger:\n  |', { path: ['trigger'], is: 'key', typed: '' }],
  ['steps:\n  - id: a\n    uses: x/y\n    |', { path: ['steps', 0], is: 'key', siblings: ['id', 'uses'] }],
  ['steps:\n  - id: a\n  - id: b\n    in|\n  - id: c', { path: ['steps', 1], is: 'key', siblings: ['id'] }],
  ['steps:\n- id: a\n- us|', { path: ['steps', 1], is: 'key', typed: 'us' }],
  ['steps:\n  - id: a\n    input:\n      name: =body.p|', { path: ['steps', 0, 'input', 'name'], is: 'value', typed: '=body.p' }],
  ['steps:\n  - id: a\n    input:\n      |\n    on: success', { path: ['steps', 0, 'input'], is: 'key' }],
  ['steps:\n  - id: a\n    after:\n      - |', { path: ['steps', 0, 'after', 0], is: 'key' }],
  ['note: |-\n  us|', null],
  ['# us|', null],
])('a cursor within %j', (marked, want) => {
  const at = marked.lastIndexOf('|')
  const got = contextAt(marked.slice(0, at) + marked.slice(at + 1), at)
  if (want === null) expect(got).toBeNull()
  else expect(got).toMatchObject(want as object)
})
