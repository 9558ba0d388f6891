import { accessible, expect, picture, test } from './sluice.ts'

const flow = (id: string) => ({
  kind: 'Flow',
  id,
  name: 'Orders',
  trigger: {
    uses: 'webhook/receive',
    sample: { petname: 'Gromit', petstatus: 'Sold', count: 3, 'order-lines': [{ sku: 'a1', price: 2.5 }], big: 1 },
  },
  steps: [{ id: 'create', uses: 'petstore/create-pet', credential: 'pets', input: { name: '=body.petname', status: '=body.petstatus' } }],
})

test('an input is mapped in three ways, with the result on the sample as one types', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', flow('orders'))
  await page.goto(`${sluice.url}/flows/orders/edit`)
  await page.locator('[data-node=create]').click()
  await page.getByRole('button', { name: 'Mapping', exact: true }).click()

  // From the sample.
  await expect(page.getByLabel('Value for Name')).toHaveValue('=body.petname')
  await expect(page.getByText('"Gromit"')).toBeVisible()

  // As an expression: offered what there is, and shown what it gives.
  await page.getByRole('button', { name: 'Name: write an expression' }).click()
  const name = page.getByRole('textbox', { name: 'Name', exact: true })
  await expect(name).toHaveText('body.petname')
  await name.press('ControlOrMeta+a')
  const offered = page.locator('.cm-tooltip').getByRole('option')
  const accept = async (what: RegExp) => {
    await expect(offered.filter({ hasText: what }).first()).toBeVisible()
    await page.waitForTimeout(100) // a list that has just come takes no Enter yet
    await page.keyboard.press('Enter')
  }
  await name.pressSequentially('$upper')
  await accept(/uppercase/)
  await name.pressSequentially('body.pet')
  await expect(offered.filter({ hasText: 'petname' })).toBeVisible()
  await picture(page, 'expression-completion')
  await accept(/petname/)
  await expect(name).toHaveText('$uppercase(body.petname)')
  await expect(page.getByText('"GROMIT"')).toBeVisible()
  await accessible(page, 'an expression')

  // What is wrong is said, with its place; what has another type, too.
  await name.press('End')
  await name.pressSequentially(' &')
  await expect(page.locator('.cm-lintRange-error')).toBeVisible()
  await picture(page, 'expression-wrong')
  await name.press('ControlOrMeta+a')
  await name.pressSequentially('body.count')
  await expect(page.getByText('It should be text, not whole number')).toBeVisible()
  await name.press('ControlOrMeta+a')
  await name.pressSequentially('body.nothing')
  await expect(page.getByText('Nothing: the sample has no such value')).toBeVisible()

  // All at once: what was there is taken along.
  await name.press('ControlOrMeta+a')
  await name.pressSequentially('body.petname')
  await page.getByRole('button', { name: 'One expression' }).click()
  const all = page.getByRole('textbox', { name: 'Expression for the whole input' })
  await expect(all).toContainText('"status": body.petstatus')
  await expect(page.locator('output')).toContainText('"status":"Sold"')
  await picture(page, 'expression-whole')
  await accessible(page, 'an expression for the whole input')
  await page.getByRole('button', { name: 'Field by field' }).click()
  await expect(page.getByLabel('Value for Name')).toHaveValue('')
  await page.getByRole('button', { name: 'Undo', exact: true }).last().click()
  await expect(all).toContainText('"name": body.petname')
})

test('the editor is as good in the dark and on a telephone', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', {
    ...flow('dark'),
    steps: [
      {
        id: 'create',
        uses: 'petstore/create-pet',
        input: { name: '=$uppercase(body.petname) & " (" & $string(body.count) & ")" /* all */', status: 'sold' },
      },
    ],
  })
  await page.addInitScript(() => localStorage.setItem('sluice.theme', 'dark'))
  await page.goto(`${sluice.url}/flows/dark/edit`)
  await page.locator('[data-node=create]').click()
  await page.getByRole('button', { name: 'Mapping', exact: true }).click()
  await expect(page.getByText('"GROMIT (3)"')).toBeVisible()
  await picture(page, 'expression-dark')
  await accessible(page, 'an expression in the dark')
  await page.setViewportSize({ width: 360, height: 740 })
  const name = page.getByRole('textbox', { name: 'Name', exact: true })
  await name.scrollIntoViewIfNeeded()
  const box = (await name.boundingBox())!
  expect(box.x + box.width).toBeLessThanOrEqual(360)
  await picture(page, 'expression-360')
})
