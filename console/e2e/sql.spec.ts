import { accessible, allow, expect, picture, test } from './sluice.ts'

test('a statement is answered as a table or a chart, and a wrong one says why', async ({ page, sluice }) => {
  const { requestId } = await sluice.hook('pets', { petname: 'Gromit', petstatus: 'Sold' })
  await page.goto(`${sluice.url}/sql`)
  const statement = page.getByLabel('Statement', { exact: true })
  await expect(async () => {
    await statement.fill('SELECT id, status FROM executions')
    await statement.press('Control+Enter')
    await expect(page.getByRole('link', { name: requestId })).toBeVisible({ timeout: 1000 })
  }).toPass()
  await accessible(page, 'a table of a statement')

  await page.getByRole('button', { name: 'Executions by status' }).click()
  await statement.fill("SELECT 'a' AS word, 2 AS n UNION ALL SELECT 'b', 1")
  await page.getByRole('button', { name: 'Run' }).click()
  await expect(page.getByRole('list', { name: 'n by word' })).toBeVisible()
  await picture(page, 'sql')
  await accessible(page, 'a chart of a statement')
  await page.reload()
  await expect(page.getByRole('list', { name: 'n by word' })).toBeVisible()

  allow('400')
  await statement.fill('DROP TABLE executions')
  await page.getByRole('button', { name: 'Run' }).click()
  await expect(page.getByRole('alert')).toContainText('begin with SELECT')
})
