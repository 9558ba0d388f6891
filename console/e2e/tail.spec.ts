import { accessible, expect, picture, test } from './sluice.ts'

const flow = {
  kind: 'Flow',
  id: 'tailed',
  name: 'Watched <b>closely</b>',
  trigger: { uses: 'webhook/receive' },
  steps: [{ id: 'upper', name: 'In capitals', uses: 'mapper/map', input: { name: '=$uppercase(body.name)' } }],
}

test('the live tail shows hooks, steps and ends as they happen, and waits while one reads', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/tail`)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await picture(page, 'tail-empty')
  await accessible(page, 'an empty tail')
  await sluice.api('POST', '/flows', flow)
  await sluice.api('POST', '/flows/tailed/publish')
  await sluice.api('POST', '/flows/tailed/start')
  const begin = Date.now()
  await sluice.hook('tailed', { name: '<img src=x onerror=alert(1)>' })
  const rows = page.locator('[data-row]')
  await expect(rows).toHaveCount(3)
  expect(Date.now() - begin).toBeLessThan(1500)
  await expect(page.getByRole('table')).toContainText('<img src=x onerror=alert(1)>')
  await expect(page.getByRole('table')).toContainText('POST /hook/tailed')
  await sluice.hook('tailed', { name: 3 }) // fails at the step
  await expect(rows).toHaveCount(6)
  await picture(page, 'tail')
  await accessible(page, 'the tail')

  await page.getByRole('button', { name: 'Pause' }).click()
  await sluice.hook('tailed', { name: 'Wallace' })
  await expect(page.getByRole('button', { name: '3 new' })).toBeVisible()
  await expect(rows).toHaveCount(6)
  await page.getByRole('button', { name: '3 new' }).click()
  await expect(rows).toHaveCount(9)

  await page.getByRole('button', { name: 'Only errors' }).click()
  await expect(page).toHaveURL(/failed=true/)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await sluice.hook('tailed', { name: 'fine' })
  await sluice.hook('tailed', { name: 4 })
  await expect(rows).toHaveCount(2)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Failed').first()).toBeVisible()
})
