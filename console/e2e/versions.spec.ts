import { accessible, expect, picture, test } from './sluice.ts'

const flow = (note: string | undefined, steps: object[]) => ({
  kind: 'Flow',
  id: 'versioned',
  name: 'Orders',
  trigger: { uses: 'webhook/receive', sample: { petname: 'Gromit' } },
  steps,
  note,
})
const shape = { id: 'shape', uses: 'mapper/map', name: 'Shape it', input: { output: { name: '=body.petname' } } }
const tell = { id: 'tell', uses: 'mapper/map', input: { output: '=steps.shape.name' } }
const loud = { ...shape, input: { output: { name: '=$uppercase(body.petname)' } } }
const more = { id: 'more', uses: 'mapper/map', after: ['shape'], input: { output: 1 } }

test('versions are listed, compared as graph and text, and restored as a draft', async ({ page, sluice }) => {
  for (const [document, publish] of [
    [flow(undefined, [shape, tell]), true],
    [flow('Names in capitals', [loud, tell]), true],
    [flow('Names in capitals', [loud, more]), false],
  ] as const) {
    await (document.note ? sluice.api('PUT', '/flows/versioned', document) : sluice.api('POST', '/flows', document))
    if (publish) await sluice.api('POST', '/flows/versioned/publish')
  }
  await page.goto(`${sluice.url}/flows/versioned/versions`)
  const list = page.getByRole('navigation', { name: 'Versions' })
  await expect(list.getByRole('button')).toHaveCount(3)
  await expect(list.getByRole('button', { name: /Version 2/ })).toContainText('Names in capitals')

  // The draft beside what is published.
  await expect(page.getByText('1 added')).toBeVisible()
  await expect(page.getByText('1 removed')).toBeVisible()
  await expect(page.locator('[data-step=more]').getByText('Added')).toBeAttached()
  await expect(page.locator('[data-step=tell]').getByText('Removed')).toBeAttached()
  await picture(page, 'versions')
  await accessible(page, 'the versions')

  // What a version changed, and any two, by the address.
  await list.getByRole('button', { name: /Version 2/ }).click()
  await expect(
    page
      .getByRole('deletion')
      .or(page.getByText('=body.petname', { exact: true }))
      .first(),
  ).toBeVisible()
  await page.getByRole('button', { name: 'Text', exact: true }).click()
  await expect(page.getByRole('cell', { name: /=\$uppercase\(body.petname\)/ })).toBeVisible()
  await picture(page, 'versions-text')
  await accessible(page, 'two versions as text')
  await page.getByLabel('From').selectOption('draft')
  await expect(page).toHaveURL(/a=draft&b=2/)
  await page
    .getByRole('button', { name: 'Light theme' })
    .or(page.getByRole('button', { name: 'Dark theme' }))
    .click()
  await page.getByRole('button', { name: 'Graph', exact: true }).click()
  await picture(page, 'versions-dark')
  await accessible(page, 'the versions, in the dark')

  // Restored as a draft, and undone.
  await page.getByLabel('To').selectOption('1')
  await page.getByRole('button', { name: 'Restore version 1 as draft' }).click()
  await accessible(page, 'restoring a version')
  await page.getByRole('button', { name: 'Restore', exact: true }).click()
  await expect(page.getByText('Draft and Version 1 say the same.')).toBeVisible()
  await page.getByRole('status').getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByText('Draft and Version 1 say the same.')).toBeHidden()
  await page.setViewportSize({ width: 360, height: 740 })
  await picture(page, 'versions-360')
})
