// @vitest-environment node
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { settingFaults } from './check.ts'
import type { FlowDocument } from './document.ts'
import { addJoin, addRouter, emptyFlow, FLOW, removeEdge, setWithin } from './edit.ts'
import { leaves, parents, TRIGGER } from './graph.ts'
import type { Schema } from './schema.ts'
import { faults } from './validate.ts'

const schemas = `${process.cwd()}/../schemas/`
const schema = JSON.parse(readFileSync(`${schemas}flow.schema.json`, 'utf8')) as Schema
const flow = (more: object, step: object = {}): FlowDocument => ({
  ...emptyFlow('Pets', 'webhook/receive'),
  steps: [{ id: 'a', uses: 'mapper/map', ...step }],
  ...more,
})
const said = (doc: FlowDocument) => settingFaults(doc, schema).map(w => `${w.at} ${w.setting}: ${w.message}`)

describe('settings are judged by the schema that the server has', () => {
  test.each<[FlowDocument, string[]]>([
    [flow({ rate: '100/s', order: { key: '=body.id' }, dedupe: { window: '24h' } }), []],
    [flow({ rate: 'fast' }), ['/trigger flow/rate: Rate should be a rate such as 100/s, 600/m or 1000/h']],
    [flow({ order: 'some' }), ['/trigger flow/order: Order should be none, flow or a key such as {key: =body.id}']],
    [flow({ order: { key: '=' } }), ['/trigger flow/order/key: Order should be an expression, which begins with =']],
    [flow({ shards: 0 }), ['/trigger flow/shards: Shards should be at least 1']],
    [flow({ nonsense: 1 }), ['/trigger flow/nonsense: nonsense is no setting that there is']],
    [flow({}, { timeout: 'soon' }), ['a timeout: Timeout should be a duration such as 10s, 5m or 24h']],
    [flow({}, { when: '=' }), ['a when: When should be an expression, which begins with =']],
    [flow({}, { on: 'never' }), ['a on: On should be one of success, failure, always']],
    [
      flow({}, { retry: { attempts: 'x', on: [429, '5xx', 'network', '500-504'] } }),
      ['a retry/attempts: Retry, Attempts should be a whole number of at least 1, at most 1000'],
    ],
    [
      flow({}, { retry: { on: ['sometimes'] } }),
      ['a retry/on/0: Retry, On should be network, timeout, a status such as 429, a class such as 5xx or a range such as 500-504'],
    ],
    [
      flow({ trigger: { uses: 'webhook/receive', methods: ['HEAD'] } }),
      ['/trigger methods/0: Methods should be one of GET, POST, PUT, PATCH, DELETE'],
    ],
    [
      flow({ trigger: { uses: 'webhook/receive', respond: { status: 99 } } }),
      ['/trigger respond/status: Response, Status should be at least 200'],
    ],
  ])('%#', (doc, want) => expect(said(doc)).toEqual(want))
})

test('an expression does for anything where expressions may stand', () => {
  const s: Schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
  expect(faults(s, s, { n: '=body.n' }, true)).toEqual([])
  expect(faults(s, s, { n: '=body.n' })).toHaveLength(1)
  expect(faults(s, s, {}, true)).toEqual([{ path: 'n', message: 'is required' }])
})

describe('edits of settings and of the graph', () => {
  const shape = (d: FlowDocument) => [...parents(d)].map(([id, p]) => `${p.join('+') || '·'}>${id}`).join(' ')
  const line: FlowDocument = { ...flow({}), steps: ['a', 'b', 'c'].map(id => ({ id, uses: 'mapper/map' })) }
  test('a setting that is taken away leaves nothing empty behind', () => {
    const set = setWithin('a', 'retry/attempts', 5)(line)
    expect(set.steps[0]!.retry).toEqual({ attempts: 5 })
    expect(setWithin('a', 'retry/attempts', undefined)(set).steps[0]).toEqual(line.steps[0])
    const deep = setWithin(TRIGGER, 'respond/onFailure/status', 404)(line)
    expect(deep.trigger.respond).toEqual({ onFailure: { status: 404 } })
    expect(setWithin(TRIGGER, 'respond/onFailure/status', undefined)(deep).trigger).toEqual(line.trigger)
    expect(setWithin(FLOW, 'dedupe/key', '=body.id')(line).dedupe).toEqual({ key: '=body.id' })
  })
  test('a router between two: what stood there goes on in its first branch', () => {
    const made = addRouter(
      { id: 'x', uses: 'mapper/map' },
      { id: 'y', uses: 'mapper/map', otherwise: true },
      { after: 'a', before: 'b' },
    )(line)
    expect(shape(made)).toBe('·>a a>x x>b b>c a>y')
  })
  test('a join of all ends, and a line away', () => {
    const two: FlowDocument = { ...line, steps: [line.steps[0]!, line.steps[1]!, { ...line.steps[2]!, after: ['a'] }] }
    expect(leaves(two)).toEqual(['b', 'c'])
    const joined = addJoin({ id: 'j', uses: 'mapper/map' }, leaves(two))(two)
    expect(shape(joined)).toBe('·>a a>b a>c b+c>j')
    expect(shape(removeEdge('c', 'j')(joined))).toBe('·>a a>b a>c b>j')
  })
})
