// @vitest-environment node
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { suggest } from './complete.ts'
import { contextAt } from './yamlcontext.ts'

const schema = JSON.parse(readFileSync(`${process.cwd()}/../schemas/flow.schema.json`, 'utf8'))
const offering = {
  schema,
  components: [
    { name: 'webhook/receive', title: 'Webhook', trigger: true },
    {
      name: 'petstore/create-pet',
      title: 'Create pet',
      trigger: false,
      input: { required: ['name'], properties: { name: { type: 'string' }, status: { enum: ['sold'] } } },
    },
    { name: 'log/write', title: 'Log', trigger: false },
  ],
  credentials: [
    { id: 'pets', name: 'Pets', uses: 'petstore' },
    { id: 'hook', name: 'Hook', uses: 'webhook' },
  ],
  doc: {
    kind: 'Flow' as const,
    trigger: { uses: 'webhook/receive' },
    steps: [
      { id: 'a', uses: 'log/write' },
      { id: 'b', uses: 'petstore/create-pet' },
    ],
  },
}
const begin = 'kind: Flow\nsteps:\n  - id: a\n    uses: log/write\n  - id: b\n    uses: petstore/create-pet\n'

// The cursor is at the end.
test.each<[string, string[], string[]]>([
  ['kind: Flow\nt', ['trigger', 'timeout', 'name'], ['kind']],
  ['kind: ', ['Flow'], []],
  ['trigger:\n  ', ['uses', 'respond', 'methods'], ['steps']],
  ['trigger:\n  uses: ', ['webhook/receive'], ['log/write']],
  ['order: ', ['none', 'flow'], []],
  [`${begin}    `, ['input', 'when', 'each', 'retry', 'on'], ['uses', 'id']],
  [`${begin}    uses: `, ['log/write', 'petstore/create-pet'], ['webhook/receive']],
  [`${begin}    credential: `, ['pets'], ['hook']],
  [`${begin}    after:\n      - `, ['a'], ['b', 'uses']],
  [`${begin}    input:\n      `, ['name', 'status'], ['uses']],
  [`${begin}    input:\n      status: `, ['sold'], []],
  [`${begin}    on: `, ['success', 'failure', 'always'], []],
  [`${begin}    retry:\n      `, ['attempts'], ['uses']],
])('behind %j', (text, there, not) => {
  const labels = suggest(contextAt(text, text.length)!, offering).map(s => s.label)
  for (const l of there) expect(labels).toContain(l)
  for (const l of not) expect(labels).not.toContain(l)
})
