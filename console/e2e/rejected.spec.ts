import { createHmac } from 'node:crypto'
import { accessible, expect, picture, test } from './sluice.ts'

test('a rejected request says why, and is accepted once the credential is mended', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/rejected`)
  await expect(page.getByRole('heading', { name: 'Nothing was rejected' })).toBeVisible()
  await picture(page, 'rejected-empty')
  await accessible(page, 'no rejected requests')

  await sluice.api('POST', '/credentials', { id: 'hub', name: 'The hub', uses: 'webhook', type: 'github', values: { secret: 'mistyped' } })
  await sluice.api('POST', '/flows', {
    kind: 'Flow',
    id: 'signed',
    name: 'Signed <i>flow</i>',
    trigger: { uses: 'webhook/receive', credential: 'hub' },
    steps: [{ id: 'map', uses: 'mapper/map', input: { a: '=body' } }],
  })
  await sluice.api('POST', '/flows/signed/publish')
  await sluice.api('POST', '/flows/signed/start')
  const body = '{"who": "<img src=x onerror=alert(1)>", "password": "hunter22"}'
  const send = async (body: string, secret: string, type = 'application/json') =>
    (
      await fetch(`${sluice.hooks}/hook/signed`, {
        method: 'POST',
        headers: {
          'Content-Type': type,
          'X-Evil': '<script>alert(2)</script>',
          'X-Hub-Signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
        },
        body,
      })
    ).status
  expect(await send('{"broken": <b>', 'mistyped')).toBe(400)
  expect(await send(body, 'sesame')).toBe(401)

  await page.goto(`${sluice.url}/rejected?flow=signed`)
  const list = page.getByRole('list', { name: 'Rejected requests' })
  await expect(list.getByRole('button')).toHaveCount(2)
  const why = page.getByRole('region', { name: 'Why it was rejected' })
  await expect(why).toContainText(/signature/i)
  await expect(page.getByText('It would still be refused')).toBeVisible()
  await expect(page.getByRole('tree', { name: 'body' })).toContainText('<img src=x onerror=alert(1)>')
  await expect(page.getByRole('region', { name: 'Headers' })).toContainText('<script>alert(2)</script>')
  await expect(page.getByRole('main')).not.toContainText('hunter22')
  await picture(page, 'rejected')
  await accessible(page, 'a rejected request')
  await page.getByRole('button', { name: 'Copy as sluice verify' }).click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('sluice verify --type github --secret "$SECRET"')

  // From row to row by the keyboard.
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Malformed body' })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Body' })).toContainText('{"broken": <b>')
  await picture(page, 'rejected-malformed')
  await page.keyboard.press('k')
  await page.keyboard.press('Enter')

  await sluice.api('PUT', '/credentials/hub', { name: 'The hub', uses: 'webhook', type: 'github', values: { secret: 'sesame' } })
  await expect(async () => {
    await page.getByRole('button', { name: 'Check again' }).click() // the edge hears of the secret in a moment
    await expect(page.getByText('It would be taken: the cause is mended.')).toBeVisible({ timeout: 1000 })
  }).toPass({ timeout: 10_000 })
  await page.getByRole('button', { name: 'Accept it' }).click()
  await page.getByRole('link', { name: 'Accepted: its execution' }).click()
  await expect(page.getByText('Succeeded').first()).toBeVisible()
})
