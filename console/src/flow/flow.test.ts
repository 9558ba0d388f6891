// @vitest-environment node
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { check, type Knows, stepsNamed } from './check.ts'
import { apply, diff, invert } from './diff.ts'
import type { FlowDocument, Step } from './document.ts'
import { addStep, duplicateStep, type Edit, emptyFlow, freshID, removeStep, setAfter, setInput, setStep, setTrigger } from './edit.ts'
import { Exact, JsonError, parseJSON, printJSON, same } from './exact.ts'
import { mayFollow, parents, TRIGGER } from './graph.ts'
import { begin, make, redo, undo } from './history.ts'
import { places } from './paths.ts'
import { fromYAML, toYAML, YamlError } from './yaml.ts'

const step = (id: string, more: Partial<Step> = {}): Step => ({ id, uses: 'mapper/map', ...more })
const flow = (...steps: Step[]): FlowDocument => ({ ...emptyFlow('Pets', 'webhook/receive'), steps })
const shape = (d: FlowDocument) => [...parents(d)].map(([id, p]) => `${p.join('+') || '·'}>${id}`).join(' ')

describe('JSON that keeps every digit', () => {
  test('what a double would change stays as it was written', () => {
    const text = '{"id":12345678901234567890,"price":1.10,"e":1e400,"n":-0,"plain":42,"s":"ü\\n","a":[true,null,{}]}'
    expect(printJSON(parseJSON(text))).toBe(text.replace('ü', 'ü'))
    expect((parseJSON(text) as { id: unknown }).id).toEqual(new Exact('12345678901234567890'))
    expect((parseJSON(text) as { plain: unknown }).plain).toBe(42)
  })
  test.each([
    ['{"a": 1,}', 'too many', 1, 9],
    ['{"a" 1}', 'a : should stand', 1, 6],
    ['{\n  "a": tru\n}', 'a value should stand', 2, 8],
    ['{"a": "x', 'no closing', 1, 7],
    ['', 'not the end', 1, 1],
    ['{} {}', 'has ended', 1, 4],
    ['{a: 1}', 'double quotes', 1, 2],
  ])('%j is refused with its place', (text, why, line, column) => {
    try {
      parseJSON(text)
    } catch (e) {
      expect(e).toBeInstanceOf(JsonError)
      expect((e as Error).message).toContain(why)
      expect([(e as JsonError).line, (e as JsonError).column]).toEqual([line, column])
      return
    }
    throw new Error('it was taken')
  })
  test('__proto__ is a key like others', () => {
    const v = parseJSON('{"__proto__":{"polluted":true}}')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(printJSON(v)).toBe('{"__proto__":{"polluted":true}}')
  })
})

describe('every valid flow document goes through the designer unchanged', () => {
  const folder = `${process.cwd()}/../schemas/testdata/documents/`
  const texts = readdirSync(folder)
    .filter(n => n.endsWith('.yaml'))
    .flatMap(n =>
      readFileSync(folder + n, 'utf8')
        .split(/^---$/m)
        .map((text, i) => [`${n} ${i}`, text] as const),
    )
  const valid = texts.flatMap(([name, text]) => {
    try {
      return [[name, fromYAML(text)] as const]
    } catch {
      return []
    }
  })
  test('there are some', () => expect(valid.length).toBeGreaterThan(5))
  test.each(valid)('%s', (_, doc) => {
    expect(begin(doc).doc).toBe(doc)
    expect(same(fromYAML(toYAML(doc)), doc)).toBe(true)
    expect(printJSON(parseJSON(printJSON(doc)))).toBe(printJSON(doc))
    expect(diff(doc, fromYAML(toYAML(doc)))).toEqual([])
  })
})

describe('YAML', () => {
  test('numbers keep their digits both ways', () => {
    const doc = fromYAML('kind: Flow\ntrigger: {uses: webhook/receive, sample: {id: 12345678901234567890, v: 1.10}}\nsteps: []\n')
    expect(printJSON(doc.trigger.sample)).toBe('{"id":12345678901234567890,"v":1.10}')
    expect(toYAML(doc)).toContain('id: 12345678901234567890')
  })
  test('text that looks like something else stays text', () => {
    const doc = flow(step('a', { input: { x: 'true', y: '12', z: '', w: '=body.a', n: 'null', c: 'a: b # c' } }))
    expect(same(fromYAML(toYAML(doc)), doc)).toBe(true)
  })
  test.each([
    ['kind: Flow\ntrigger:\n  uses: webhook/receive\n steps: []', 4],
    ['kind: Flow\nsteps: []', 1],
    ['- a', 1],
    ['kind: Flow\ntrigger: {uses: a/b}\nsteps: [{id: a, uses: a/b}, {id: a, uses: a/b}]', 1],
  ])('what is no flow is refused with a line', (text, line) => {
    expect(() => fromYAML(text)).toThrow(YamlError)
    try {
      fromYAML(text)
    } catch (e) {
      expect((e as YamlError).line).toBeLessThanOrEqual(line)
    }
  })
})

describe('editing the graph', () => {
  const line = flow(step('a'), step('b'), step('c'))
  test.each<[string, Edit, string]>([
    ['at the end', addStep(step('n'), { after: 'c' }), '·>a a>b b>c c>n'],
    ['in between', addStep(step('n'), { after: 'a' }), '·>a a>n n>b b>c'],
    ['at the beginning', addStep(step('n'), { after: TRIGGER }), '·>n n>a a>b b>c'],
    ['as a branch', addStep(step('n'), { after: 'a', branch: true }), '·>a a>b b>c a>n'],
    ['as a branch of the trigger', addStep(step('n'), { after: TRIGGER, branch: true }), '·>a a>b b>c ·>n'],
    ['a step away', removeStep('b'), '·>a a>c'],
    ['the first step away', removeStep('a'), '·>b b>c'],
    ['a copy', duplicateStep('b', 'b-2'), '·>a a>b a>b-2 b>c'],
    ['a join', setAfter('c', ['a', 'b']), '·>a a>b a+b>c'],
  ])('%s', (_, edit, want) => expect(shape(edit(line))).toBe(want))
  test('after is written only where the step above would be wrong', () => {
    expect(addStep(step('n'), { after: 'a' })(line).steps.some(s => 'after' in s)).toBe(false)
    expect(addStep(step('n'), { after: 'a', branch: true })(line).steps.map(s => s.after)).toEqual([undefined, undefined, undefined, ['a']])
  })
  test('taking a branching step away keeps both branches, and a join once', () => {
    const d = flow(step('a'), step('b', { after: ['a'] }), step('c', { after: ['a'] }), step('d', { after: ['b', 'c'] }))
    expect(shape(removeStep('a')(d))).toBe('·>b ·>c b+c>d')
    expect(shape(removeStep('b')(d))).toBe('·>a a>c a+c>d')
  })
  test('a ring cannot be chosen', () => expect(mayFollow(line, 'b')).toEqual(['a']))
  test('IDs are fresh', () => {
    expect(freshID(line, 'a')).toBe('a-2')
    expect(freshID(line, '7 create pet!')).toBe('create-pet-')
  })
})

describe('history', () => {
  // A little generator of its own: the same edits each time.
  const random = (seed: number) => () => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed / 2147483648
  }
  const some = (doc: FlowDocument, r: () => number): Edit => {
    const ids = [TRIGGER, ...doc.steps.map(s => s.id)]
    const any = ids[Math.floor(r() * ids.length)]!
    const real = any === TRIGGER ? doc.steps[0]?.id : any
    const id = freshID(doc, 'n')
    switch (Math.floor(r() * 6)) {
      case 0:
        return addStep(step(id), { after: any, branch: r() < 0.4 })
      case 1:
        return real ? removeStep(real) : d => d
      case 2:
        return real ? setInput(real, 'name', `=body.x${Math.floor(r() * 9)}`) : d => d
      case 3:
        return real ? duplicateStep(real, id) : d => d
      case 4:
        return setTrigger('note', String(r()))
      default:
        return real ? setStep(real, 'name', r() < 0.3 ? undefined : String(r())) : d => d
    }
  }
  test.each(Array.from({ length: 30 }, (_, i) => i + 1))('undo and redo go over the same list (seed %i)', seed => {
    const r = random(seed)
    let h = begin(flow(step('a'), step('b')))
    const docs = [h.doc]
    for (let i = 0; i < 25; i++) {
      const before = h
      h = make(h, `edit ${i}`, some(h.doc, r))
      if (h !== before) docs.push(h.doc)
    }
    for (let i = docs.length - 2; i >= 0; i--) {
      h = undo(h)
      expect(same(h.doc, docs[i])).toBe(true)
    }
    expect(undo(h)).toBe(h)
    for (let i = 1; i < docs.length; i++) {
      h = redo(h)
      expect(same(h.doc, docs[i])).toBe(true)
    }
    const [a, b] = [docs[0]!, docs.at(-1)!]
    expect(same(apply(a, diff(a, b)), b)).toBe(true)
    expect(printJSON(invert(invert(diff(a, b))))).toBe(printJSON(diff(a, b)))
  })
  test('typing is one step back', () => {
    let h = begin(flow(step('a')))
    for (const text of ['P', 'Pe', 'Pet']) h = make(h, 'name', setStep('a', 'name', text), true)
    expect(h.at).toBe(1)
    expect(undo(h).doc.steps[0]!.name).toBeUndefined()
  })
  test('an edit that changes nothing leaves no trace', () => {
    const h = begin(flow(step('a')))
    expect(make(h, 'x', setStep('a', 'name', undefined))).toBe(h)
  })
})

describe('checks', () => {
  const knows: Knows = {
    component: name =>
      ({
        'webhook/receive': { title: 'Webhook', trigger: true, needsCredential: false, input: {} },
        'petstore/create-pet': {
          title: 'Create pet',
          trigger: false,
          needsCredential: true,
          input: { required: ['name'], properties: { name: { type: 'string', title: 'Name' }, age: { type: 'integer' } } },
        },
        'mapper/map': { title: 'Map', trigger: false, needsCredential: false, input: {} },
      })[name],
    credential: id => ({ petstore: 'petstore', hook: 'webhook' })[id],
  }
  const wrong = (d: FlowDocument) => check(d, knows).map(w => `${w.at} ${w.field ?? ''}: ${w.message}`)
  const pet = (more: Partial<Step>) => flow({ id: 'create', uses: 'petstore/create-pet', ...more })
  test.each<[string, FlowDocument, string[]]>([
    ['a finished step', pet({ credential: 'petstore', input: { name: '=body.petname' } }), []],
    ['no credential', pet({ input: { name: 'x' } }), ['create credential: Choose a credential']],
    ['another system’s', pet({ credential: 'hook', input: { name: 'x' } }), ['create credential: This credential is for another system']],
    ['a required field', pet({ credential: 'petstore' }), ['create name: Name is required']],
    [
      'another type',
      pet({ credential: 'petstore', input: { name: 'x', age: 'y' } }),
      ['create age: Age: should be a whole number, not text'],
    ],
    ['an expression for all', pet({ credential: 'petstore', input: '={"name": 1}' }), []],
    ['a later step', flow(step('a', { input: { x: '=steps.b.y' } }), step('b')), ['a : It uses steps.b, which does not run before it']],
    ['no such step', flow(step('a', { input: { x: '=steps.zz.y' } })), ['a : It uses steps.zz, and there is no such step']],
    ['no such component', flow(step('a', { uses: 'no/thing' })), ['a uses: There is no action no/thing']],
  ])('%s', (_, doc, want) => expect(wrong(doc)).toEqual(want))
  test('steps are found in expressions', () => {
    expect(stepsNamed('=steps.a.x & steps.`b-c`.y & body.steps.z')).toEqual(['a', 'b-c'])
  })
})

test('the places of a sample are paths that JSONata takes', () => {
  const sample = parseJSON('{"petname":"Gromit","a-b":{"and":1},"list":[{"x":1}]}')
  expect(places('body', sample).map(p => p.path)).toEqual([
    'body',
    'body.petname',
    'body.`a-b`',
    'body.`a-b`.`and`',
    'body.list',
    'body.list[0].x',
  ])
})
