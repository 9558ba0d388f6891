import { accessible, expect, picture, test } from './sluice.ts'

interface Document {
  steps: { id: string; input: Record<string, unknown> }[]
}

test('a draft is tried on what came in, the difference is read, and only the changed ones run again', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/replays`)
  await expect(page.getByRole('heading', { name: 'Nothing was replayed yet' })).toBeVisible()
  await picture(page, 'replays-empty')
  await accessible(page, 'no replays')

  for (const petstatus of ['Sold', 'Pending', 'Sold', 'Available']) await sluice.hook('pets', { petname: 'Gromit', petstatus })
  await expect
    .poll(async () => (await sluice.api<{ items: unknown[] }>('GET', '/executions?flow=pets&status=succeeded')).items.length)
    .toBe(4)
  const { document } = await sluice.api<{ document: Document }>('GET', '/flows/pets/versions/1')
  document.steps.find(s => s.id === 'pet')!.input.status = '=body.petstatus = "Sold" ? "gone" : $lowercase(body.petstatus)'
  await sluice.api('PUT', '/flows/pets', document)

  // What the run log shows fills the form.
  await page.goto(`${sluice.url}/executions?flow=pets&status=succeeded`)
  await page.getByRole('link', { name: 'Replay these' }).click()
  await expect(page.getByRole('status').filter({ hasText: '4 hooks' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Succeeded' })).toHaveAttribute('aria-pressed', 'true')
  await page.getByLabel('Version').selectOption('draft')
  await page.getByRole('button', { name: 'Estimate' }).click()
  await expect(page.getByText('petstore/create-pet')).toBeVisible()
  await picture(page, 'replay-new')
  await accessible(page, 'a new replay')
  await page.getByRole('button', { name: 'Start dry run' }).click()

  await expect(page.getByRole('heading', { name: '2 of 4 would be otherwise' })).toBeVisible({ timeout: 20_000 })
  await expect(page.getByText('Finished')).toBeVisible()
  await picture(page, 'replay-report')
  await accessible(page, 'the report of a dry run')
  await page.getByRole('button', { name: /^Effect altered/ }).click()
  await page.getByRole('list', { name: 'Changed executions' }).getByRole('button').first().click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('tree', { name: 'input' }).last()).toContainText('gone')
  await picture(page, 'replay-difference')
  await accessible(page, 'a difference')
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('button', { name: /^Effect altered/ }).click()

  await page.getByRole('button', { name: 'Replay the changed ones' }).click()
  await expect(page.getByRole('status').filter({ hasText: '2 hooks' })).toBeVisible()
  await page.getByRole('button', { name: 'Start replay' }).click()
  await expect(page.getByText('2 of 2 ended')).toBeVisible({ timeout: 20_000 })
  await picture(page, 'replay')
  await accessible(page, 'a replay')
  await page.getByRole('link', { name: 'Its executions in the run log' }).click()
  await expect(page.locator('[data-row]')).toHaveCount(2)

  // And back from an execution to the replay.
  await page.locator('[data-row]').first().getByRole('link').click()
  await page.getByRole('link', { name: 'Its replay' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Replay' })).toBeVisible()
  await page.goto(`${sluice.url}/replays`)
  await expect(page.getByRole('row')).toHaveCount(3)
  await picture(page, 'replays')
  await accessible(page, 'the replays')

  // A field of the body stays one.
  await page.goto(`${sluice.url}/executions?flow=pets&field=${encodeURIComponent('body.petstatus=Sold')}`)
  await page.getByRole('link', { name: 'Replay these' }).click()
  await expect(page.getByLabel('Field of the body')).toHaveValue('body.petstatus=Sold')
  await expect(page.getByRole('status').filter({ hasText: '2 hooks' })).toBeVisible()

  await page.goto(`${sluice.url}/sql?q=${encodeURIComponent("SELECT id FROM executions WHERE flow = 'pets'")}`)
  await page.getByRole('link', { name: 'Replay these' }).click()
  await expect(page.getByLabel('Statement')).toHaveValue("SELECT id FROM executions WHERE flow = 'pets'")
  await expect(page.getByRole('status').filter({ hasText: '6 hooks' })).toBeVisible()
})
