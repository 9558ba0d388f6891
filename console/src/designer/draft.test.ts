import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FlowDocument } from '../flow/document.ts'
import { setFlow, setInput, setTrigger } from '../flow/edit.ts'
import { parseJSON, printJSON } from '../flow/exact.ts'
import { Draft } from './draft.ts'
import { journalOf } from './journal.ts'

// A server of one flow, which may be away, and tabs that are told apart by name.

let server: { doc: FlowDocument; revision: number; away: boolean; gone: boolean; puts: number }
const drafts: Draft[] = []

const doc = (): FlowDocument => ({
  kind: 'Flow',
  id: 'f',
  name: 'Pets',
  trigger: { uses: 'webhook/receive' },
  steps: [{ id: 'a', uses: 'mapper/map', input: { x: 1, y: 1 } }],
})

beforeEach(() => {
  localStorage.clear()
  sessionStorage.clear()
  server = { doc: doc(), revision: 1, away: false, gone: false, puts: 0 }
  vi.stubGlobal('fetch', async (r: Request) => {
    if (server.away) throw new TypeError('refused')
    const flow = () =>
      new Response(printJSON({ id: 'f', name: 'Pets', state: 'stopped', version: 0, draft: server.doc, hookUrl: '' }), {
        headers: { ETag: `"${server.revision}"` },
      })
    if (r.method === 'POST') {
      server.gone = false
    } else if (server.gone) return new Response('{"detail":"there is no flow"}', { status: 404 })
    if (r.method === 'GET') return flow()
    if (r.method === 'PUT' && r.headers.get('If-Match') !== `"${server.revision}"`) return new Response('{}', { status: 412 })
    server.doc = parseJSON(await r.text()) as unknown as FlowDocument
    server.revision++
    server.puts++
    return flow()
  })
})
afterEach(async () => {
  server.away = true // what is still on its way finds nobody
  for (const d of drafts.splice(0)) {
    d.close()
    await d.save()
  }
})

async function tab(name: string): Promise<Draft> {
  sessionStorage.setItem('sluice.tab', name)
  const d = await Draft.load('f')
  drafts.push(d)
  return d
}
const note = (text: string) => setTrigger('note', text)
const saved = (d: Draft) => vi.waitFor(() => expect(d.get().saving.is).toBe('saved'), 3000)

test('an edit is kept in the browser before it is sent, and taken up after a reload', async () => {
  const d = await tab('1')
  d.edit('Note', note('not sent yet'))
  expect(journalOf('f', '1')?.history.doc.trigger.note).toBe('not sent yet')
  // The page is gone, with nobody to say so.
  const again = await tab('1')
  expect(again.doc.trigger.note).toBe('not sent yet')
  expect(again.get().recovered).toBe(1)
  await saved(again)
  expect(server.doc.trigger.note).toBe('not sent yet')
  again.undo()
  expect(again.doc.trigger.note).toBeUndefined()
})

test('what was recovered can be given up, and that undone', async () => {
  const d = await tab('1')
  server.away = true
  d.edit('Note', note('x'))
  d.close()
  server.away = false
  const again = await tab('1')
  expect(again.doc.trigger.note).toBe('x')
  await saved(again)
  again.discardRecovered()
  expect([again.doc.trigger.note, again.get().recovered]).toEqual([undefined, 0])
  again.undo()
  expect(again.doc.trigger.note).toBe('x')
})

test('two tabs that edit one draft: neither loses what it has, and both come together', async () => {
  const [one, two] = [await tab('1'), await tab('2')]
  server.away = true
  one.edit('Note', note('of one'))
  two.edit('Map', setInput('a', 'y', 2))
  expect(journalOf('f', '1')?.history.doc.trigger.note).toBe('of one')
  expect(journalOf('f', '2')?.history.doc.steps[0]?.input).toEqual({ x: 1, y: 2 })
  server.away = false
  await one.save()
  await two.save()
  await vi.waitFor(() => expect(two.get().saving.is).toBe('conflict'))
  expect(two.doc.trigger.note).toBeUndefined() // nothing is overwritten meanwhile
  expect(two.merged().clashes).toEqual([])
  two.resolve('both')
  await saved(two)
  expect([server.doc.trigger.note, server.doc.steps[0]!.input]).toEqual(['of one', { x: 1, y: 2 }])
  await vi.waitFor(() => expect(one.doc.steps[0]!.input).toEqual({ x: 1, y: 2 }), 3000) // the other tab is told
})

test.each(['mine', 'theirs'] as const)('a conflict ended by %s: undo brings the other back', async how => {
  const [one, two] = [await tab('1'), await tab('2')]
  two.edit('Name', setFlow('name', 'Two'))
  one.edit('Name', setFlow('name', 'One'))
  await one.save()
  await two.save()
  await vi.waitFor(() => expect(two.get().saving.is).toBe('conflict'))
  expect(two.merged().clashes.map(c => [c.path, c.mine, c.theirs])).toEqual([['name', 'Two', 'One']])
  two.resolve(how)
  await saved(two)
  expect(server.doc.name).toBe(how === 'mine' ? 'Two' : 'One')
  two.undo()
  if (how === 'theirs') expect(two.doc.name).toBe('Two')
})

test('while the server is away edits go on, and are sent when it is back', async () => {
  const d = await tab('1')
  server.away = true
  d.edit('Note', note('1'))
  await d.save()
  expect(d.get().saving.is).toBe('away')
  d.edit('Note', note('2'))
  server.away = false
  await saved(d)
  expect(server.doc.trigger.note).toBe('2')
})

test('edits of a tab that was closed are offered to the next, and merged', async () => {
  const one = await tab('1')
  server.away = true
  one.edit('Note', note('left'))
  await one.save()
  one.close()
  server.away = false
  server.doc = { ...doc(), name: 'Renamed' }
  server.revision++
  const two = await tab('2')
  await vi.waitFor(() => expect(two.get().left.length).toBe(1), 3000)
  two.takeLeft(two.get().left[0]!, true)
  expect([two.doc.trigger.note, two.doc.name]).toEqual(['left', 'Renamed'])
  expect(two.get().left).toEqual([])
  expect(journalOf('f', '1')).toBeNull()
})

test('the edits of a tab that is open are its own, even where a tab was copied with its storage', async () => {
  const one = await tab('1')
  server.away = true
  one.edit('Note', note('mine'))
  server.away = false
  const copy = await tab('1')
  await vi.waitFor(() => expect(sessionStorage.getItem('sluice.tab')).not.toBe('1'), 2000)
  await new Promise(r => setTimeout(r, 600))
  expect(copy.get().left).toEqual([])
})

test('a full storage gives up the undo list first, and then says that nothing is kept', async () => {
  const d = await tab('1')
  let most = 900
  const items = new Map<string, string>()
  const real = localStorage
  vi.stubGlobal('localStorage', {
    getItem: (k: string) => items.get(k) ?? null,
    removeItem: (k: string) => items.delete(k),
    setItem: (k: string, v: string) => {
      if (v.length > most) throw new DOMException('full', 'QuotaExceededError')
      items.set(k, v)
    },
  })
  for (let i = 0; i < 20; i++) d.edit(`Note ${i}`, note(`note ${i}`))
  expect(journalOf('f', '1')?.history.doc.trigger.note).toBe('note 19')
  expect(d.get().kept).toBe(true)
  most = 10
  d.edit('Note', note('x'))
  expect(d.get().kept).toBe(false)
  vi.stubGlobal('localStorage', real)
})

test('where the flow was deleted meanwhile, the draft becomes a flow again', async () => {
  const d = await tab('1')
  server.gone = true
  d.edit('Note', note('kept'))
  await d.save()
  expect(d.get().saving.is).toBe('refused')
  await d.createAgain()
  await saved(d)
  expect(server.doc.trigger.note).toBe('kept')
})
