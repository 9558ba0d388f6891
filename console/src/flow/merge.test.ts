import { expect, test } from 'vitest'
import type { FlowDocument, Step } from './document.ts'
import { addStep, emptyFlow, removeStep, setInput, setStep, setTrigger } from './edit.ts'
import { same } from './exact.ts'
import { parents } from './graph.ts'
import { merge } from './merge.ts'

const step = (id: string, more: Partial<Step> = {}): Step => ({ id, uses: 'mapper/map', ...more })
const base: FlowDocument = { ...emptyFlow('Pets', 'webhook/receive'), steps: [step('a', { input: { x: 1, y: 1 } }), step('b'), step('c')] }
const shape = (d: FlowDocument) => [...parents(d)].map(([id, p]) => `${p.join('+') || '·'}>${id}`).join(' ')

test('what only one side changed is taken from it, down to the fields of an input', () => {
  const mine = setInput('a', 'x', 2)(setTrigger('note', 'mine')(base))
  const theirs = setStep('b', 'name', 'Theirs')(setInput('a', 'y', 3)(base))
  const { doc, clashes } = merge(base, mine, theirs)
  expect(clashes).toEqual([])
  expect(doc.steps[0]!.input).toEqual({ x: 2, y: 3 })
  expect([doc.trigger.note, doc.steps[1]!.name]).toEqual(['mine', 'Theirs'])
})

test('where both changed the same, one chooses', () => {
  const mine = setInput('a', 'x', 2)(base)
  const theirs = setInput('a', 'x', 3)(base)
  const { doc, clashes } = merge(base, mine, theirs)
  expect(clashes).toEqual([{ key: 'a input.x', step: 'a', path: 'input.x', base: 1, mine: 2, theirs: 3 }])
  expect(doc.steps[0]!.input).toEqual({ x: 2, y: 1 })
  expect(merge(base, mine, theirs, { 'a input.x': 'theirs' }).doc.steps[0]!.input).toEqual({ x: 3, y: 1 })
})

test('a step that one side removed and the other changed is a choice, and a removal alone is none', () => {
  const theirs = removeStep('b')(base)
  expect(merge(base, base, theirs).doc.steps.map(s => s.id)).toEqual(['a', 'c'])
  const mine = setStep('b', 'name', 'Mine')(base)
  const { doc, clashes } = merge(base, mine, theirs)
  expect(clashes.map(c => c.key)).toEqual(['b '])
  expect(shape(doc)).toBe('·>a a>b a>c') // it came back, and what they moved stays moved
  expect(shape(merge(base, mine, theirs, { 'b ': 'theirs' }).doc)).toBe('·>a a>c')
})

test('steps added on both sides are both there, and nothing runs behind a step that is gone', () => {
  const mine = addStep(step('m'), { after: 'a' })(base)
  const theirs = addStep(step('t'), { after: 'a' })(base)
  expect(shape(merge(base, mine, theirs).doc)).toContain('m+t>b')
  const gone = merge(base, addStep(step('m'), { after: 'b' })(base), removeStep('b')(base)).doc
  expect(shape(gone)).toBe('·>a a>m m+a>c')
})

test('merging with oneself, or with what did not change, changes nothing', () => {
  const mine = addStep(step('m'), { after: 'b', branch: true })(setStep('a', 'note', 'x')(base))
  for (const d of [merge(base, mine, mine), merge(base, mine, base), merge(base, base, mine)]) {
    expect(d.clashes).toEqual([])
    expect(same(d.doc, mine)).toBe(true)
  }
})
