import { expect, it } from 'vitest'
import { curlOf, quoted } from './curl.ts'

const hook = {
  method: 'POST',
  path: '/hook/pets',
  query: '',
  headers: { host: 'x', 'x-test': "it's" },
  contentType: 'application/json',
  body: { petname: "Gromit's" },
  receivedAt: '',
  topic: '',
  partition: 0,
  offset: 0,
  bodySize: 21,
  bodyUrl: '/api/v1/executions/1/body',
  files: [],
}

it('quotes for a shell', () => {
  expect(quoted('plain')).toBe('plain')
  expect(quoted("a'b $(rm -rf)")).toBe(`'a'\\''b $(rm -rf)'`)
})

it('is the request again', () => {
  expect(curlOf('http://localhost:8080/hook/pets', hook)).toBe(
    `curl -X POST http://localhost:8080/hook/pets \\\n  -H 'Content-Type: application/json' \\\n  -H 'x-test: it'\\''s' \\\n  --data-raw '{"petname":"Gromit'\\''s"}'`,
  )
})

it('sends bytes as bytes', () => {
  expect(curlOf('http://h/', { ...hook, body: '/wA=', bodyEncoding: 'base64' })).toContain('base64 -d')
})
