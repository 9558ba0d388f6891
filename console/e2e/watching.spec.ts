import { accessible, expect, picture, Sluice, test } from './sluice.ts'

test('three requests: the dashboard counts them on each step, and the run log leads to what happened', async ({ page }) => {
  const sluice = await Sluice.make() // of its own: it counts all that was sent
  try {
    await page.goto(sluice.url)
    await expect(page.getByRole('heading', { level: 1, name: 'Dashboard' })).toBeVisible()
    for (let i = 0; i < 3; i++) await sluice.hook('pets', { petname: 'Gromit', petstatus: 'Sold' })
    const counts = page.getByTestId('step-count')
    await expect(counts.first()).toHaveText('3')
    await expect(counts.last()).toHaveText('3')
    await picture(page, 'dashboard')
    await accessible(page, 'the dashboard')

    await page.goto(`${sluice.url}/executions?flow=pets`)
    const rows = page.locator('[data-row]')
    await expect(rows).toHaveCount(3)
    await picture(page, 'run-log')
    await accessible(page, 'the run log')

    // A new one arrives by itself, within a second.
    await expect(page.getByText('Live', { exact: true })).toBeVisible()
    const begin = Date.now()
    await sluice.hook('pets', { petname: '<img src=x onerror=alert(1)>', petstatus: 'Sold' })
    await expect(rows).toHaveCount(4)
    expect(Date.now() - begin).toBeLessThan(1000)

    // The history follows what is told. A span of the calendar is in the address, and leaves out what is not in it.
    await expect.poll(async () => (await sluice.api<{ items: unknown[] }>('GET', '/executions?flow=pets')).items.length).toBe(4)
    await page.getByLabel('Time').selectOption('between')
    await expect(page).toHaveURL(/since=\d{4}-.*until=\d{4}-/)
    await expect(rows).toHaveCount(4)
    await page.getByLabel('To', { exact: true }).fill('2020-01-01T00:00:00')
    await expect(page.getByRole('heading', { name: 'Nothing matches these filters' })).toBeVisible()
    await page.getByRole('button', { name: 'Clear', exact: true }).click()
    await expect(rows).toHaveCount(4)

    // From row to row by the keyboard.
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await expect(page.locator('[data-row="1"] a')).toBeFocused()
    await page.keyboard.press('k')
    await page.keyboard.press('Enter')
    await expect(page.getByText('Succeeded').first()).toBeVisible()
    await page.getByRole('button', { name: /^Webhook/ }).click()
    await expect(page.getByRole('tree', { name: 'body' })).toContainText('<img src=x onerror=alert(1)>')
    await picture(page, 'execution')
    await accessible(page, 'an execution')
  } finally {
    await page.goto('about:blank') // or it would look for the server
    await sluice.close()
  }
})
