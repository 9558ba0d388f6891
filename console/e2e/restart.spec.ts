import { allow, expect, picture, Sluice, test } from './sluice.ts'

test('a live list outlives a restart of the server: it says so, goes on, and shows nothing twice', async ({ page }) => {
  allow('ERR_|Failed to load resource') // what the browser says of a server that is away
  const sluice = await Sluice.make()
  try {
    for (let i = 0; i < 3; i++) await sluice.hook('pets', { petname: `before ${i}`, petstatus: 'Sold' })
    await page.goto(`${sluice.url}/executions?flow=pets`)
    const rows = page.locator('[data-row]')
    await expect(rows).toHaveCount(3)
    await expect(page.getByText('Live', { exact: true })).toBeVisible()
    await sluice.stop()
    await expect(page.getByText('Sluice is away.')).toBeVisible()
    await expect(page.getByText('Reconnecting')).toBeVisible()
    await expect(rows).toHaveCount(3) // what was read stays
    await picture(page, 'away')
    await sluice.start()
    await expect(page.getByText('Sluice is away.')).toHaveCount(0)
    await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 15_000 })
    for (let i = 0; i < 2; i++) await sluice.hook('pets', { petname: `after ${i}`, petstatus: 'Sold' })
    await expect(rows).toHaveCount(5)
    const ids = await rows.evaluateAll(all => all.map(r => r.getAttribute('data-id')))
    expect(new Set(ids).size).toBe(5)
  } finally {
    await sluice.close()
  }
})
