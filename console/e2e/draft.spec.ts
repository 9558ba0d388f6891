import type { Page } from '@playwright/test'
import { accessible, allow, expect, picture, Sluice, test } from './sluice.ts'

const flow = (id: string) => ({
  kind: 'Flow',
  id,
  name: 'Pets',
  trigger: { uses: 'webhook/receive', sample: { petname: 'Gromit' } },
  steps: [{ id: 'shape', uses: 'mapper/map', input: { output: { name: '=body.petname' } } }],
})
interface Answer {
  draft: { name: string; note?: string; trigger: { note?: string } }
}
const name = (page: Page) => page.getByRole('textbox', { name: 'Flow name' })

/** Lets nothing of this page reach the flow on the server, until it is called. */
async function cutOff(page: Page, id: string) {
  const path = `**/api/v1/flows/${id}`
  await page.route(path, r => (r.request().method() === 'PUT' ? r.abort() : r.continue()))
  return () => page.unroute(path)
}

test('a reload in the middle of editing loses nothing', async ({ page, sluice }) => {
  allow('ERR_FAILED')
  await sluice.api('POST', '/flows', flow('reloaded'))
  await page.goto(`${sluice.url}/flows/reloaded/edit`)
  const back = await cutOff(page, 'reloaded')
  await name(page).fill('Typed and not yet saved')
  await expect(page.getByText('The server does not answer')).toBeVisible()
  await picture(page, 'draft-away')
  await accessible(page, 'a draft whose server is away')
  await page.reload()
  await expect(name(page)).toHaveValue('Typed and not yet saved')
  await expect(page.getByText('1 edit recovered')).toBeVisible()
  await picture(page, 'draft-recovered')
  await accessible(page, 'a recovered draft')
  await back()
  await expect
    .poll(async () => (await sluice.api<Answer>('GET', '/flows/reloaded')).draft.name, { timeout: 15_000 })
    .toBe('Typed and not yet saved')
  // It can be given up, and that undone; the undo list from before the reload is still there.
  await page.getByRole('button', { name: 'Discard' }).click()
  await expect(name(page)).toHaveValue('Pets')
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(name(page)).toHaveValue('Typed and not yet saved')
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(name(page)).toHaveValue('Pets')
})

test('two tabs edit one draft: a saved edit is shown in the other, and what meets is compared and chosen', async ({
  page,
  context,
  sluice,
}) => {
  allow('412')
  allow('ERR_FAILED')
  await sluice.api('POST', '/flows', flow('twice'))
  const other = await context.newPage()
  for (const p of [page, other]) await p.goto(`${sluice.url}/flows/twice/edit`)
  await name(other).fill('From the other tab')
  await expect(name(page)).toHaveValue('From the other tab')

  const back = await cutOff(page, 'twice')
  await name(page).fill('Mine')
  await expect(page.getByText('The server does not answer')).toBeVisible()
  await name(other).fill('Theirs')
  await expect.poll(async () => (await sluice.api<Answer>('GET', '/flows/twice')).draft.name).toBe('Theirs')
  await back()
  await expect(page.getByText('This draft was changed elsewhere meanwhile')).toBeVisible()
  await expect(name(page)).toHaveValue('Mine')
  expect((await sluice.api<Answer>('GET', '/flows/twice')).draft.name).toBe('Theirs')
  await picture(page, 'draft-conflict')
  await page.getByRole('button', { name: 'Compare and choose' }).click()
  const dialog = page.getByRole('dialog', { name: 'Two variants of this draft' })
  await expect(dialog.getByRole('button', { name: 'Choose 1 more' })).toBeDisabled()
  await accessible(page, 'two variants of a draft')
  await picture(page, 'draft-variants')
  await dialog.getByLabel(/^Theirs/).check()
  await dialog.getByRole('button', { name: 'Keep both' }).click()
  await expect(name(page)).toHaveValue('Theirs')
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(name(page)).toHaveValue('Mine') // nothing was lost
  await expect(name(other)).toHaveValue('Mine')
  await other.getByRole('button', { name: 'Undo' }).click()
  await expect(name(other)).toHaveValue('Theirs')
})

test('edits in different places of two tabs come together by one click', async ({ page, context, sluice }) => {
  allow('412')
  allow('ERR_FAILED')
  await sluice.api('POST', '/flows', flow('together'))
  await page.goto(`${sluice.url}/flows/together/edit`)
  const back = await cutOff(page, 'together')
  await name(page).fill('Mine')
  await expect(page.getByText('The server does not answer')).toBeVisible()
  const theirs = flow('together')
  await sluice.api('PUT', '/flows/together', { ...theirs, note: 'Theirs' })
  await back()
  await page.getByRole('button', { name: 'Keep both' }).click()
  await expect.poll(async () => (await sluice.api<Answer>('GET', '/flows/together')).draft).toMatchObject({ name: 'Mine', note: 'Theirs' })

  // What a closed tab left behind is offered to the next one.
  const left = await context.newPage()
  await left.goto(`${sluice.url}/flows/together/edit`)
  await expect(name(left)).toHaveValue('Mine')
  await cutOff(left, 'together')
  await name(left).fill('Left behind')
  await expect(left.getByText('The server does not answer')).toBeVisible()
  await left.close()
  await page.reload()
  await expect(page.getByText('A closed tab left edits behind')).toBeVisible()
  await accessible(page, 'what a closed tab left behind')
  await page.getByRole('button', { name: 'Take them up' }).click()
  await expect(name(page)).toHaveValue('Left behind')
  await expect.poll(async () => (await sluice.api<Answer>('GET', '/flows/together')).draft.name).toBe('Left behind')
})

test('the server restarts while a draft is open: a banner says so, and the edits are saved after', async ({ page }) => {
  allow('ERR_|Failed to load resource')
  const sluice = await Sluice.make()
  try {
    await sluice.api('POST', '/flows', flow('restarted'))
    await page.goto(`${sluice.url}/flows/restarted/edit`)
    await expect(name(page)).toHaveValue('Pets')
    await sluice.stop()
    await name(page).fill('While it was away')
    await expect(page.getByText('The server does not answer')).toBeVisible()
    await name(page).fill('While it was away, and after')
    await sluice.start()
    await expect(page.getByText('The server does not answer')).toBeHidden({ timeout: 30_000 })
    await expect(page.getByText('Saved', { exact: true })).toBeVisible()
    expect((await sluice.api<Answer>('GET', '/flows/restarted')).draft.name).toBe('While it was away, and after')
    await page.getByRole('button', { name: 'Undo' }).click()
    await expect(name(page)).toHaveValue('Pets')
  } finally {
    await sluice.close()
  }
})
