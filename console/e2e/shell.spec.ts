import { accessible, expect, picture, Sluice, test } from './sluice.ts'

test('the burger leads to the flows', async ({ page, sluice }) => {
  await page.goto(sluice.url)
  await page.getByRole('button', { name: 'Main menu' }).click()
  const menu = page.getByRole('navigation', { name: 'Main menu' })
  await picture(page, 'menu')
  await accessible(page, 'the menu')
  await menu.getByRole('link', { name: 'Flows' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Flows' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Add New Flow' })).toBeVisible()
})

test('the page is compressed, cached and asks nobody else', async ({ page, sluice }) => {
  const seen: { url: string; cache: string; encoding: string; host: string }[] = []
  page.on('response', r =>
    seen.push({
      url: r.url(),
      host: new URL(r.url()).host,
      cache: r.headers()['cache-control'] ?? '',
      encoding: r.headers()['content-encoding'] ?? '',
    }),
  )
  await page.goto(`${sluice.url}/flows`)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  for (const r of seen) {
    expect(r.host).toBe(new URL(sluice.url).host)
    if (r.url.endsWith('.js') || r.url.endsWith('.css')) {
      expect(r.cache).toContain('immutable')
      expect(['br', 'gzip']).toContain(r.encoding)
    }
  }
})

test('with a token one signs in once', async ({ page }) => {
  const s = await Sluice.make({ SLUICE_API_TOKEN: 'only-for-this-test' })
  try {
    test.info().annotations.push({ type: 'allow', description: '401' })
    await page.goto(`${s.url}/flows`)
    await page.getByLabel('API token').fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page.getByRole('alert')).toContainText('not the token')
    await picture(page, 'login')
    await accessible(page, 'the login')
    await page.getByLabel('API token').fill('only-for-this-test')
    await page.keyboard.press('Enter')
    await expect(page.getByRole('heading', { level: 1, name: 'Flows' })).toBeVisible()
    await page.reload()
    await expect(page.getByRole('heading', { level: 1, name: 'Flows' })).toBeVisible()
  } finally {
    await s.close()
  }
})
