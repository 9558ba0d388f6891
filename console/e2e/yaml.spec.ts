import { accessible, expect, picture, test } from './sluice.ts'

const flow = (id: string) => ({
  kind: 'Flow',
  id,
  name: 'Pets',
  trigger: { uses: 'webhook/receive', sample: { petname: 'Gromit', petstatus: 'Sold' } },
  steps: [
    { id: 'shape', uses: 'mapper/map', input: { output: { name: '=body.petname' } } },
    { id: 'tell', uses: 'mapper/map', input: { output: '=steps.shape.name' } },
  ],
})
interface Answer {
  draft: { name: string; steps: { id: string; name?: string }[] }
}

test('the YAML and the canvas are one draft, with undo over both, and comments stay', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', flow('text'))
  await page.goto(`${sluice.url}/flows/text/yaml`)
  const code = page.getByRole('textbox', { name: 'Flow as YAML' })
  await expect(code).toContainText('uses: mapper/map')
  await expect(page.getByText('In step with the canvas, and nothing is wrong')).toBeVisible()
  await picture(page, 'yaml')
  await accessible(page, 'the YAML')

  // What is written is an edit like any other.
  const name = page.getByRole('textbox', { name: 'Flow name' })
  await page.locator('.cm-line', { hasText: 'name: Pets' }).click()
  await page.keyboard.press('End')
  await page.keyboard.type(' of the shop # as people call it')
  await expect(name).toHaveValue('Pets of the shop')
  await expect(page.getByText('Comments stay in this browser')).toBeVisible()
  await expect.poll(async () => (await sluice.api<Answer>('GET', '/flows/text')).draft.name).toBe('Pets of the shop')

  // What is changed elsewhere comes into the text, beside the comments.
  await name.fill('Pets of all shops')
  await expect(code).toContainText('name: Pets of all shops # as people call it')
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(code).toContainText('name: Pets of the shop # as people call it')
  await page.reload()
  await expect(code).toContainText('name: Pets of the shop # as people call it')

  // A text that is none says where, and changes nothing.
  await page.locator('.cm-line', { hasText: 'kind: Flow' }).click()
  await page.keyboard.press('End')
  await page.keyboard.type('\n  nothing: [')
  await expect(page.getByText(/Not taken over yet: line \d/)).toBeVisible()
  await expect(name).toHaveValue('Pets of the shop')
  await picture(page, 'yaml-wrong')
  await accessible(page, 'YAML that is none')
  for (let i = 0; i < 3; i++) await page.keyboard.press('ControlOrMeta+z')
  await expect(page.getByText('In step with the canvas, and nothing is wrong')).toBeVisible()
})

test('the YAML knows keys, components and expressions, and the server says what is wrong with a line', async ({ page, sluice }) => {
  await sluice.api('POST', '/flows', flow('known'))
  await page.addInitScript(() => localStorage.setItem('sluice.theme', 'dark'))
  await page.goto(`${sluice.url}/flows/known/yaml`)
  const code = page.getByRole('textbox', { name: 'Flow as YAML' })
  await expect(code).toContainText('steps.shape.name')
  const offered = page.locator('.cm-tooltip-autocomplete').getByRole('option')
  const accept = async (what: RegExp) => {
    await expect(offered.filter({ hasText: what }).first()).toBeVisible()
    await page.waitForTimeout(100) // a list that has just come takes no Enter yet
    await page.keyboard.press('Enter')
  }
  await page.locator('.cm-line', { hasText: 'uses: mapper/map' }).last().click()
  await page.keyboard.press('End')
  await page.keyboard.type('\nret')
  await expect(offered.filter({ hasText: 'retry' })).toBeVisible()
  await picture(page, 'yaml-completion-dark')
  await accept(/retry/)
  await page.keyboard.type('\n  atte')
  await accept(/attempts/)
  await page.keyboard.type('3')
  await expect(code).toContainText('attempts: 3')
  await page.keyboard.type('\n')
  await page.keyboard.press('Backspace')
  await page.keyboard.type('when: =body.pets')
  await accept(/petstatus/)
  await expect(code).toContainText('when: =body.petstatus')

  await page.keyboard.type(' = &')
  const faults = page.getByRole('list', { name: 'What is wrong' })
  await expect(faults.getByRole('button')).toHaveCount(1)
  await expect(faults).toContainText('Line')
  await expect(page.locator('.cm-lintRange-error').first()).toBeVisible()
  await picture(page, 'yaml-faults-dark')
  await accessible(page, 'faults in YAML, in the dark')
  await page.setViewportSize({ width: 360, height: 740 })
  await picture(page, 'yaml-360')
})
