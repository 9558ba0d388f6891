import { accessible, allow, expect, picture, test } from './sluice.ts'

const document = JSON.stringify({
  openapi: '3.1.0',
  info: { title: 'Warehouse', version: '1' },
  servers: [{ url: 'https://warehouse.example.com' }],
  components: { securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'x-key' } } },
  paths: {
    '/orders/{id}': {
      get: {
        operationId: 'getOrder',
        summary: 'Get an order',
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { 200: { description: 'ok' } },
      },
    },
  },
})

test('a service’s OpenAPI document becomes a connector, and goes again', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/components`)
  await expect(page.getByRole('heading', { name: 'Petstore API' })).toBeVisible()
  await picture(page, 'components')
  await accessible(page, 'the components')

  await page.getByRole('button', { name: 'Import OpenAPI' }).click()
  await page
    .getByLabel('Document', { exact: true })
    .setInputFiles({ name: 'warehouse.json', mimeType: 'application/json', buffer: Buffer.from(document) })
  await picture(page, 'import')
  await accessible(page, 'the import')
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Warehouse is there' })).toBeVisible()
  await page.getByRole('button', { name: 'Done' }).click()

  await page.getByLabel('Search components').fill('warehouse order')
  await expect(page.getByText('Get an order')).toBeVisible()
  await page.getByRole('button', { name: 'Remove Warehouse' }).click()
  await expect(page.getByRole('button', { name: 'Remove', exact: true })).toBeDisabled()
  await page.getByLabel('Type warehouse to confirm').fill('warehouse')
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Nothing is called “warehouse order”' })).toBeVisible()
})

test('a document that is none says so in the dialog', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/components`)
  await page.getByRole('button', { name: 'Import OpenAPI' }).click()
  await page
    .getByLabel('Document', { exact: true })
    .setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{"a": 1}') })
  allow('422')
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await expect(page.getByRole('alert')).toBeVisible()
})

test('the settings show the theme and what Sluice depends on', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/settings`)
  await expect(page.getByRole('listitem').filter({ hasText: 'ms' }).first()).toBeVisible()
  await page.getByRole('button', { name: 'Dark', exact: true }).click()
  await picture(page, 'settings-dark')
  await accessible(page, 'the settings in the dark')
  await page.getByRole('button', { name: 'Light', exact: true }).click()
  await accessible(page, 'the settings')
})
