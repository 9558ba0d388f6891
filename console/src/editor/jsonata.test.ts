import { StringStream } from '@codemirror/language'
import jsonataOf from 'jsonata'
import { describe, expect, test } from 'vitest'
import { asExpression } from '../designer/mapping.tsx'
import { parseJSON } from '../flow/exact.ts'
import { offers, pathParts, type Scope, scopeOf } from '../flow/scope.ts'
import { functions } from './functions.ts'
import { completionsFor, token } from './jsonata.ts'

const scope: Scope = {
  body: { petname: 'Gromit', 'a-b': { c: 1 }, items: [{ price: 2, sku: 'x' }] },
  headers: {},
  steps: { create: { id: 1 }, 'look-up': { name: 'x' } },
}
const labels = (text: string) => completionsFor(text, scope)?.options.map(o => o.label) ?? []

describe('completion', () => {
  test.each([
    ['', ['body', 'headers', 'steps']],
    ['bo', ['body', 'headers', 'steps']],
    ['body.', ['petname', '`a-b`', 'items']],
    ['body.`a-b`.', ['c']],
    ['body.items.', ['price', 'sku']],
    ['body.items[0].p', ['price', 'sku']],
    ['1 + $sum(body.items.', ['price', 'sku']],
    ['steps.', ['create', '`look-up`']],
    ['steps.`look-up`.', ['name']],
    ['body.nothing.', []],
    ['(a + b).', []],
  ])('of %j', (text, want) => expect(labels(text)).toEqual(want))
  test('of functions, each of which JSONata has', async () => {
    expect(labels('$upper')).toContain('$uppercase')
    for (const [call] of functions) {
      const name = call.slice(0, call.indexOf('('))
      expect(await jsonataOf(`$type(${name})`).evaluate({}), name).toBe('function')
    }
  })
})

test.each([
  ['steps.`a-b`.items[0].price', ['steps', 'a-b', 'items', 'price']],
  ['body', ['body']],
  ['body.a + 1', null],
  ['$sum(x)', null],
])('the names of the path %s', (path, want) => expect(pathParts(path)).toEqual(want))

test('the scope is what runs before, an element of each, and the URLs of waiting steps', () => {
  const doc = {
    kind: 'Flow' as const,
    id: 'f',
    trigger: { uses: 'webhook/receive', sample: { items: [{ n: 1 }] } },
    steps: [
      { id: 'a', uses: 'x/y', sample: { x: 1 } },
      { id: 'b', uses: 'x/y', each: '=body.items' },
      { id: 'c', uses: 'webhook/wait' },
    ],
  }
  const s = scopeOf(doc, 'b', x => x.sample)
  expect([s.steps, s.item, s.index, Object.keys(s.callbacks as object)]).toEqual([{ a: { x: 1 } }, { n: 1 }, 0, ['c']])
  expect(offers(s, 'item').map(o => o.name)).toEqual(['n'])
  expect(scopeOf(doc, 'a', x => x.sample).item).toBeUndefined()
})

const tokens = (text: string) => {
  const s = new StringStream(text, 2, 2)
  const state = { comment: false, value: false }
  const out: string[] = []
  while (!s.eol()) {
    s.start = s.pos
    const kind = token(s, state)
    if (kind) out.push(`${kind}:${s.current()}`)
  }
  return out.join(' ')
}

describe('colours', () => {
  test('a slash after a value divides, and else begins a pattern', () => {
    expect(tokens('a / b / c')).not.toContain('regexp')
    expect(tokens('$match(a, /b.c/i)')).toContain('regexp:/b.c/i')
  })
  test('and, or, in are names where a name has to stand', () => {
    expect(tokens('a and b')).toContain('keyword:and')
    expect(tokens('and = or')).toContain('propertyName:and')
  })
  test('functions, variables, texts, comments', () =>
    expect(tokens('$sum($x.`a b`) & "t" /* c */')).toBe(
      'variableName.function:$sum punctuation:( variableName.special:$x operator:. propertyName:`a b` punctuation:) operator:& string:"t" comment:/* comment: c */',
    ))
})

test('the fields of an input become one expression that gives the same', async () => {
  const text = asExpression(parseJSON('{"name":"=body.petname","n":12,"list":["=body.items[0].sku","\\\\=x"],"e":{}}'))
  expect(await jsonataOf(text).evaluate(scope)).toEqual({ name: 'Gromit', n: 12, list: ['x', '=x'], e: {} })
})
