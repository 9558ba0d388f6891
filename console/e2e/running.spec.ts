import { accessible, expect, picture, test } from './sluice.ts'

// One flow as it runs: its page.

const flow = {
  kind: 'Flow',
  id: 'counted',
  name: 'Orders to the warehouse',
  note: 'Every order goes out once',
  trigger: { uses: 'webhook/receive', sample: { sku: "it's" } },
  steps: [
    { id: 'shape', name: 'Shape the order', uses: 'mapper/map', input: { sku: '=$uppercase(body.sku)' } },
    { id: 'log', name: 'Note it', uses: 'flow/log', input: { message: '=steps.shape.sku' } },
  ],
}

test('a flow’s page: its counters, its state by a click, its URL, and what it holds while paused', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', flow)
  await page.goto(`${sluice.url}/flows/counted`)
  await expect(page.getByRole('heading', { name: 'This flow is a draft' })).toBeVisible()
  await sluice.api('POST', '/flows/counted/publish')
  await page.reload()
  await expect(page.getByText('Its URL answers 404')).toBeVisible()
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await expect(page.getByRole('main').getByText('Running', { exact: true })).toBeVisible()
  await sluice.hook('counted', { sku: 'a' })
  await sluice.hook('counted', { sku: 'b' })
  await sluice.hook('counted', { sku: 3 }) // an expression fails on it
  const counts = page.getByTestId('step-count')
  await expect(counts).toHaveText(['3', '2', '2'])
  await expect(page.locator('[data-step="shape"]')).toContainText('1 failed')
  await expect(page.locator('[data-step="shape"]')).toContainText('p50')
  await page.locator('[data-step="shape"]').click()
  await expect(page.getByRole('link', { name: 'Executions that failed here' })).toBeVisible()
  await page.getByRole('button', { name: 'Copy as curl' }).click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
    `curl -X POST '${sluice.hooks}/hook/counted' -H 'Content-Type: application/json' -d '{"sku":"it'\\''s"}'`,
  )
  await picture(page, 'flow')
  await accessible(page, 'a flow')

  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await expect(page.getByText('Paused.')).toBeVisible()
  await sluice.hook('counted', { sku: 'held' })
  await expect(page.getByRole('status').filter({ hasText: 'Requests are accepted and held: 1 so far' })).toBeVisible()
  await picture(page, 'flow-paused')
  await accessible(page, 'a paused flow')
  await page.getByRole('button', { name: 'Resume', exact: true }).click()
  await expect(counts).toHaveText(['4', '3', '3'])

  await page.getByRole('link', { name: 'Executions that failed here' }).click()
  await expect(page.locator('[data-row]')).toHaveCount(1)
  await expect(page.getByRole('button', { name: 'Failed at shape' })).toBeVisible()
  await page.goBack()

  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await expect(page.getByText('Its URL answers 404')).toBeVisible()
  await page.getByRole('button', { name: 'More for Orders to the warehouse' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByLabel('Type Orders to the warehouse to confirm').fill('Orders to the warehouse')
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Flows' })).toBeVisible()
})

test('the first of a key holds the others up, until somebody skips it', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', {
    kind: 'Flow',
    id: 'ordered',
    name: 'In order',
    trigger: { uses: 'webhook/receive' },
    order: { key: '=body.customer' },
    steps: [
      {
        id: 'send',
        name: 'Send it on',
        uses: 'webhook/send',
        input: { url: 'http://127.0.0.1:9/', body: '=body' },
        retry: { attempts: 9, initial: '10m', max: '10m', on: ['network'] },
      },
    ],
  })
  await sluice.api('POST', '/flows/ordered/publish')
  await sluice.api('POST', '/flows/ordered/start')
  for (let i = 0; i < 3; i++) await sluice.hook('ordered', { customer: 'Wallace <b>', i })
  await page.goto(`${sluice.url}/flows/ordered`)
  const key = page.getByRole('listitem').filter({ hasText: '2 wait behind it' })
  await expect(key).toContainText('Wallace <b>')
  await expect(page.locator('[data-step="send"]')).toContainText('1 waiting')
  await picture(page, 'flow-blocked')
  await accessible(page, 'a flow with a blocked key')
  await key.getByRole('button', { name: 'Skip' }).click()
  await page.getByRole('button', { name: 'Skip it' }).click()
  await expect(page.getByRole('listitem').filter({ hasText: '1 waits behind it' })).toBeVisible()
  await expect(page.getByText('Cancelled', { exact: true })).toBeVisible()
})
