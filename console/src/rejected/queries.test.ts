import { expect, it } from 'vitest'
import { type RejectedDetail, reasonInWords, verifyCommand } from './queries.ts'

const r = {
  method: 'POST',
  path: '/hook/f/x',
  query: 'a=1',
  time: '2026-01-31T09:00:00Z',
  headers: { 'x-hub-signature-256': 'sha256=00', 'user-agent': "it's $HOME" },
} as unknown as RejectedDetail

it('gives a command that the signature is explained by, safe to paste', () => {
  const command = verifyCommand(r, 'https://hooks.example.com/hook/f', 'github')
  expect(command).toContain('sluice verify --type github --secret "$SECRET"')
  expect(command).toContain('--at 2026-01-31T09:00:00Z')
  expect(command).toContain("--url 'https://hooks.example.com/hook/f/x?a=1' --method POST")
  expect(command).toContain("--header 'user-agent: it'\\''s $HOME'")
})

it('has words for a reason, and the reason itself for one that it does not know', () => {
  expect(reasonInWords('signature')).toBe('Wrong signature')
  expect(reasonInWords('of_later')).toBe('of_later')
})
