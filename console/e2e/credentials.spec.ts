import type { Page } from '@playwright/test'
import { accessible, allow, expect, picture, test } from './sluice.ts'

async function begin(page: Page, url: string, connector: string, name: string) {
  await page.goto(`${url}/credentials`)
  await page.getByRole('button', { name: 'New credential' }).first().click()
  await page.getByLabel('Search connectors').fill(connector)
  await page.getByRole('button', { name: connector }).first().click()
  await page.getByLabel('Account name').fill(name)
}

const row = (page: Page, name: string) => page.getByRole('main').getByRole('listitem').filter({ hasText: name })

async function remove(page: Page, name: string) {
  await page.getByRole('button', { name: `More for ${name}` }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByLabel(`Type ${name} to confirm`).fill(name)
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
}

test('a webhook’s credential without auth is a name, and goes again when it is typed', async ({ page, sluice }) => {
  await begin(page, sluice.url, 'Webhook', 'Open door')
  await expect(page.getByLabel('Type', { exact: true }).locator('option').nth(3)).toHaveText('HMAC verification')
  await page.getByLabel('Type', { exact: true }).selectOption('No Auth')
  await expect(page.getByRole('dialog').locator('input')).toHaveCount(1)
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(row(page, 'Open door')).toContainText('No Auth')
  await remove(page, 'Open door')
  await expect(row(page, 'Open door')).toHaveCount(0)
})

test('a key is verified before it is saved, a wrong one is refused with the reason', async ({ page, sluice }) => {
  await begin(page, sluice.url, 'Petstore API', 'Wrong pets')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText('API key is needed')).toBeVisible()
  await page.getByLabel('API key').fill('wrong')
  await page.getByLabel('Base URL').fill(sluice.petstore)
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByRole('alert')).toContainText('Petstore API does not accept it')
  await picture(page, 'credential-refused')
  await accessible(page, 'a refused credential')
  await page.getByRole('button', { name: 'Save unverified' }).click()
  await expect(row(page, 'Wrong pets')).toContainText('Unverified')

  await begin(page, sluice.url, 'Petstore API', 'Good key')
  await page.getByLabel('API key').fill(sluice.apiKey)
  await page.getByRole('button', { name: 'Show the value' }).click()
  await expect(page.getByLabel('API key')).toHaveAttribute('type', 'text')
  await page.getByLabel('Base URL').fill(sluice.petstore)
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(row(page, 'Good key')).toContainText('Verified')
  await picture(page, 'credentials')
  await accessible(page, 'the credentials')
})

test('a secret is rotated, and the previous one stays until the rotation ends', async ({ page, sluice }) => {
  await sluice.api('POST', '/credentials', { name: 'Signed', uses: 'webhook', type: 'hmac', values: { secret: 'one' } })
  await page.goto(`${sluice.url}/credentials`)
  await page.getByRole('button', { name: 'More for Signed' }).click()
  await page.getByRole('menuitem', { name: 'Rotate' }).click()
  await page.getByLabel(/^Secret/).fill('two')
  await page.getByRole('button', { name: 'Rotate', exact: true }).click()
  await expect(row(page, 'Signed')).toContainText('Rotating')
  await page.getByRole('button', { name: 'More for Signed' }).click()
  await page.getByRole('menuitem', { name: 'End rotation' }).click()
  await expect(row(page, 'Signed')).not.toContainText('Rotating')
  await page.getByRole('button', { name: 'More for Signed' }).click()
  await page.getByRole('menuitem', { name: 'Edit' }).click()
  await page.getByLabel('Account name').fill('Signed hooks')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(row(page, 'Signed hooks')).toBeVisible()
})

test('a credential stays while a running flow uses it', async ({ page, sluice }) => {
  const { items } = await sluice.api<{ items: { name: string; usedBy: string[] }[] }>('GET', '/credentials')
  const used = items.find(c => c.usedBy.length > 0)!
  await page.goto(`${sluice.url}/credentials`)
  allow('409')
  await remove(page, used.name)
  await expect(page.getByRole('alert')).toContainText(used.usedBy[0]!)
  await picture(page, 'credential-used')
})
