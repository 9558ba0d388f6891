import { expect, it } from 'vitest'
import { rawRequest } from './request.tsx'
import type { Hook } from './types.ts'

const hook: Hook = {
  method: 'PUT',
  path: '/hook/f',
  query: 'a=1',
  headers: { 'x-test': 'yes' },
  contentType: 'application/json',
  body: { a: 1 },
  bodySize: 7,
  bodyUrl: '/body',
  files: [],
  receivedAt: '',
  topic: 'hooks',
  partition: 0,
  offset: 0,
}

it('is the request line, the headers and the body', () => {
  expect(rawRequest(hook)).toBe('PUT /hook/f?a=1 HTTP/1.1\ncontent-type: application/json\nx-test: yes\n\n{"a":1}')
})

it('says of a body that is no text how large it is', () => {
  expect(rawRequest({ ...hook, query: '', body: 'AAEC', bodyEncoding: 'base64', bodySize: 3 })).toMatch(/\n\n\(3 B that are no text\)$/)
})
