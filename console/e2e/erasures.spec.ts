import { readFileSync } from 'node:fs'
import { accessible, expect, picture, test } from './sluice.ts'

test('a person’s data is looked for, erased once it is confirmed by name, and certified', async ({ page, sluice }) => {
  test.setTimeout(150_000) // ClickHouse takes its time to drop files
  await page.goto(`${sluice.url}/erasures`)
  await expect(page.getByRole('heading', { name: 'Nobody’s data was erased yet' })).toBeVisible()
  await picture(page, 'erasures-empty')
  await accessible(page, 'no erasures')

  await sluice.api('POST', '/flows', {
    kind: 'Flow',
    id: 'people',
    name: 'People',
    erasable: true,
    trigger: { uses: 'webhook/receive' },
    steps: [{ id: 'keep', uses: 'mapper/map', input: { to: '=body.email' } }],
  })
  for (const command of ['publish', 'start']) await sluice.api('POST', `/flows/people/${command}`)
  const { requestId: ann } = await sluice.hook('people', { email: 'ann@example.com' })
  const { requestId: bob } = await sluice.hook('people', { email: 'bob@example.com' })
  await expect
    .poll(async () => (await sluice.api<{ items: unknown[] }>('GET', '/executions?flow=people&status=succeeded')).items.length)
    .toBe(2)

  // Ctrl-K leads there, and the keyboard through it.
  await page.keyboard.press('Control+k')
  await page.keyboard.type('new erasure')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'New erasure' })).toBeVisible()
  await page.getByRole('button', { name: 'Look' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'Say whose data it is' })).toBeVisible()
  await page.getByLabel('Where it stands').fill('body.email')
  await page.getByLabel('Value').fill('nobody@example.com')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('status').filter({ hasText: 'There is nothing.' })).toBeVisible()
  await page.getByLabel('Value').fill('ann@example.com')
  await page.getByLabel('Note').fill('Case 7')
  await page.getByLabel('Value').press('Enter')
  await expect(page.getByRole('status').filter({ hasText: '1 execution' })).toContainText('key of what is in Kafka')
  await picture(page, 'erasure-new')
  await accessible(page, 'a new erasure')

  await page.getByRole('button', { name: 'Erase', exact: true }).click()
  const dialog = page.getByRole('dialog')
  const erase = dialog.getByRole('button', { name: 'Erase for good' })
  await dialog.getByLabel('Type ann@example.com to confirm').fill('ann')
  await page.keyboard.press('Enter')
  await expect(erase).toBeDisabled()
  await picture(page, 'erasure-confirm')
  await accessible(page, 'the confirmation of an erasure')
  await dialog.getByLabel('Type ann@example.com to confirm').fill('ann@example.com')
  await page.keyboard.press('Enter')

  await expect(page.getByRole('heading', { level: 1, name: 'Erasure' })).toBeVisible()
  await expect(page.getByText('The data of 1 execution is erased')).toBeVisible({ timeout: 90_000 })
  await picture(page, 'erasure')
  await accessible(page, 'an erasure')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download certificate' }).click()])
  expect(download.suggestedFilename()).toMatch(/^erasure-.*\.json$/)
  const certificate = JSON.parse(readFileSync(await download.path(), 'utf8')) as { executions: string[]; note: string; sha256: string }
  expect(certificate).toMatchObject({ executions: [ann], note: 'Case 7' })
  await expect(page.getByText(certificate.sha256)).toBeVisible()
  const hook = async (id: string) => (await sluice.api<{ hook: { body: unknown } | null }>('GET', `/executions/${id}`)).hook?.body
  expect(await hook(bob)).toEqual({ email: 'bob@example.com' })
  expect(JSON.stringify(await hook(ann)) ?? '').not.toContain('ann@')

  // Narrow and dark, everything has its place.
  await page.setViewportSize({ width: 360, height: 740 })
  await page.emulateMedia({ colorScheme: 'dark' })
  for (const [name, path] of [
    ['erasure', new URL(page.url()).pathname],
    ['erasure-new', '/erasures/new'],
    ['erasures', '/erasures'],
  ] as const) {
    await page.goto(sluice.url + path)
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
    await picture(page, `narrow-dark-${name}`)
    await accessible(page, `${name}, narrow and dark`)
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${name} sticks out`).toBeLessThanOrEqual(0)
  }
  await expect(page.getByRole('row')).toHaveCount(2)
})
