import { expect, test } from 'vitest'
import { diff } from './diff.ts'
import { emptyFlow, removeStep, setInput, setStep } from './edit.ts'
import { sideBySide } from './lines.ts'
import { inWords } from './words.ts'

const shown = (a: string, b: string) =>
  sideBySide(a, b)
    .map(r => (r.same ? ` ${r.a!.text}` : `${r.a ? `-${r.a.text}` : ''}${r.b ? `+${r.b.text}` : ''}`))
    .join('|')

test.each([
  ['a\nb\nc', 'a\nb\nc', ' a| b| c'],
  ['a\nb\nc', 'a\nx\nc', ' a|-b+x| c'],
  ['a\nb\nc', 'a\nc', ' a|-b| c'],
  ['a\nc', 'a\nb\nc\nd', ' a|+b| c|+d'],
  ['a', 'b\nc', '-a+b|+c'],
  ['', 'a', '-+a'],
])('%j beside %j', (a, b, want) => expect(shown(a, b)).toBe(want))

test('both texts are there as they are, whatever they are', () => {
  let seed = 1
  const r = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed / 2147483648
  }
  for (let i = 0; i < 200; i++) {
    const text = () => Array.from({ length: 1 + Math.floor(r() * 20) }, () => 'abcd'[Math.floor(r() * 4)]).join('\n')
    const [a, b] = [text(), text()]
    const rows = sideBySide(a, b)
    expect(rows.flatMap(x => x.a?.text ?? []).join('\n')).toBe(a)
    expect(rows.flatMap(x => x.b?.text ?? []).join('\n')).toBe(b)
    expect(rows.flatMap(x => x.a?.n ?? []).every((n, k) => n === k + 1)).toBe(true)
    for (const x of rows) if (x.same) expect(x.a!.text).toBe(x.b!.text)
  }
})

test('changes in words: an input field by field, a step by its name', () => {
  const a = {
    ...emptyFlow('Pets', 'webhook/receive'),
    steps: [
      { id: 'a', uses: 'x/y', name: 'Make', input: { p: 1, q: 1 } },
      { id: 'b', uses: 'x/z' },
    ],
  }
  const b = removeStep('b')(setStep('a', 'note', 'n')(setInput('a', 'p', '=body.p')(a)))
  expect(inWords(diff(a, b), a, b).map(l => `${l.mark} ${l.where} ${l.field} ${l.before ?? ''}>${l.after ?? ''}`)).toEqual([
    'removed b step · x/z >',
    'changed Make input.p 1>=body.p',
    'added Make note >n',
  ])
})
