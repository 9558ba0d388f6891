import { accessible, expect, picture, test } from './sluice.ts'

test('a flow is paused, resumed and deleted from the list', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', {
    kind: 'Flow',
    id: 'to-go',
    name: 'To go',
    trigger: { uses: 'webhook/receive' },
    steps: [{ id: 'map', uses: 'mapper/map', input: { a: 1 } }],
  })
  await sluice.api('POST', '/flows/to-go/publish')
  await sluice.api('POST', '/flows/to-go/start')
  await page.goto(`${sluice.url}/flows`)
  const row = page.getByRole('listitem').filter({ hasText: 'To go' })
  await expect(row.getByText('Running')).toBeVisible()
  await picture(page, 'flows')
  await accessible(page, 'the flows')
  for (const [command, state] of [
    ['Pause', 'Paused'],
    ['Resume', 'Running'],
    ['Stop', 'Stopped'],
  ] as const) {
    await row.getByRole('button', { name: 'What to do with To go' }).click()
    await page.getByRole('menuitem', { name: command }).click()
    await expect(row.getByText(state)).toBeVisible()
  }
  await row.getByRole('button', { name: 'What to do with To go' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByLabel('Type To go to confirm').fill('To go')
  await accessible(page, 'deleting a flow')
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await expect(row).toHaveCount(0)
})
