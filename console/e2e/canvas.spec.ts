import type { Page } from '@playwright/test'
import { accessible, expect, picture, type Sluice, test } from './sluice.ts'

const branching = {
  kind: 'Flow',
  name: 'Pets by status',
  trigger: { uses: 'webhook/receive', sample: { petname: 'Gromit', petstatus: 'sold', items: [1, 2] } },
  steps: [
    { id: 'pet', uses: 'mapper/map', name: 'Read the pet', input: { name: '=body.petname' } },
    { id: 'sold', uses: 'http/request', after: ['pet'], when: '=body.petstatus = "sold"', input: { url: 'http://127.0.0.1:1/' } },
    { id: 'wait', uses: 'flow/delay', after: ['pet'], otherwise: true, input: { for: '1s' } },
    { id: 'each', uses: 'code/javascript', after: ['sold'], each: '=body.items', input: { script: 'return input' } },
    { id: 'alarm', uses: 'flow/log', after: ['sold'], on: 'failure', input: { message: 'not sold' } },
    { id: 'done', uses: 'flow/log', name: 'Both have met', after: ['each', 'wait'], input: { message: '' } },
  ],
}

/** Makes a flow and opens it. */
async function opened(page: Page, sluice: Sluice, doc: object) {
  const { id } = await sluice.api<{ id: string }>('POST', '/flows', doc)
  await page.goto(`${sluice.url}/flows/${id}/edit`)
  await expect(node(page, 'Webhook')).toBeVisible()
  return id
}

const node = (page: Page, name: string) => page.getByRole('button', { name: new RegExp(`^${name} ?:`) }).and(page.locator('[data-node]'))
const stepsOf = async (sluice: Sluice, id: string) =>
  (await sluice.api<{ draft: { steps: { id: string; after?: string[] }[] } }>('GET', `/flows/${id}`)).draft.steps

test('a flow with branches, a join and an error handler is a graph', async ({ page, sluice }) => {
  await opened(page, sluice, branching)
  for (const text of ['when body.petstatus = "sold"', 'otherwise', 'on failure'])
    await expect(page.getByText(text, { exact: true })).toBeVisible()
  const y = async (name: string) => (await node(page, name).boundingBox())!.y
  expect(await y('Read the pet')).toBeGreaterThan(await y('Webhook'))
  expect(await y('Both have met')).toBeGreaterThan(await y('JavaScript'))
  expect(await y('HTTP request')).toBe(await y('Delay'))
  await picture(page, 'canvas')
  await accessible(page, 'the canvas')
  await page.getByRole('button', { name: 'Dark theme' }).click()
  await picture(page, 'canvas-dark')
  await accessible(page, 'the canvas, dark')
})

test('steps are added between two, as a branch and where branches meet; all of it can be undone', async ({ page, sluice }) => {
  const id = await opened(page, sluice, { ...branching, steps: branching.steps.slice(0, 1) })
  await page.getByRole('button', { name: 'Add a step after Read the pet' }).click()
  await page.getByLabel('Search components').fill('log')
  await page.keyboard.press('Enter')
  await picture(page, 'step')
  await accessible(page, 'a step’s panel')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Add a step between Webhook and Read the pet' }).click()
  await page.getByLabel('Search components').fill('code')
  await picture(page, 'chooser')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Escape')
  await expect.poll(async () => (await stepsOf(sluice, id)).map(s => s.id)).toEqual(['javascript', 'pet', 'log'])
  await node(page, 'Read the pet').hover()
  await page.getByRole('button', { name: 'Add a branch after Read the pet' }).click()
  await page.getByLabel('Search components').fill('delay')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Join branches' }).click()
  await page.getByLabel('Search components').fill('http')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Escape')
  await expect
    .poll(async () => (await stepsOf(sluice, id)).map(s => [s.id, s.after?.join('+')].filter(Boolean).join('<')))
    .toEqual(['javascript', 'pet', 'log', 'delay<pet', 'request<log+delay'])
  await node(page, 'Delay').hover()
  await page.getByRole('button', { name: 'Delete Delay' }).click()
  await expect(node(page, 'Delay')).toHaveCount(0)
  await page.getByRole('status').getByRole('button', { name: 'Undo' }).click()
  await expect(node(page, 'Delay')).toBeVisible()
  for (let i = 0; i < 4; i++) await page.getByRole('button', { name: 'Undo', exact: true }).first().click()
  await expect.poll(async () => (await stepsOf(sluice, id)).map(s => s.id)).toEqual(['pet'])
})

test('at 360 pixels one sees the graph, and a step in its place', async ({ page, sluice }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  await opened(page, sluice, branching)
  await picture(page, 'canvas-360')
  await accessible(page, 'the canvas at 360 pixels')
  await node(page, 'Read the pet').click()
  await expect(page.getByRole('button', { name: 'Close the step' })).toBeVisible()
  await picture(page, 'step-360')
  await accessible(page, 'a step at 360 pixels')
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  await page.getByRole('button', { name: 'Close the step' }).click()
  await expect(node(page, 'Read the pet')).toBeFocused()
})

test('a router’s condition, a retry policy and the trigger’s settings are set, and what is wrong is marked', async ({ page, sluice }) => {
  const id = await opened(page, sluice, { ...branching, steps: branching.steps.slice(0, 1) })
  await page.getByRole('button', { name: 'Add a step after Read the pet' }).click()
  await page.getByRole('button', { name: 'Choose Router' }).click()
  await expect(node(page, 'Branch')).toContainText('When should be an expression')
  await page.getByRole('textbox', { name: 'When' }).fill('steps.pet.name = "Gromit"')
  await expect(page.getByText('when steps.pet.name = "Gromit"', { exact: true })).toBeVisible()
  await page.getByLabel('Timeout').fill('soon')
  await expect(page.getByText('Timeout should be a duration').last()).toBeVisible()
  await expect(node(page, 'Branch')).toContainText('Timeout should be a duration')
  await picture(page, 'settings')
  await accessible(page, 'a step’s settings')
  await page.getByLabel('Timeout').fill('10s')
  await page.getByLabel('Attempts').fill('5')
  await page.getByRole('button', { name: '429' }).click()
  await page.getByRole('button', { name: '5xx' }).click()
  await page.getByLabel('On unknown outcome').selectOption('hold')
  await expect
    .poll(async () => (await stepsOf(sluice, id)).at(1))
    .toMatchObject({
      id: 'branch',
      when: '=steps.pet.name = "Gromit"',
      timeout: '10s',
      retry: { attempts: 5, on: [429, '5xx'] },
      onUnknown: 'hold',
    })
  await node(page, 'Webhook').click()
  await page.getByRole('button', { name: 'Settings', exact: true }).click()
  await page.getByRole('button', { name: 'PUT' }).click()
  await page.getByRole('button', { name: 'One by one' }).click()
  await page.getByLabel('Rate').fill('100/s')
  await page.getByRole('button', { name: 'By the provider’s ID' }).click()
  await page.getByLabel('When', { exact: true }).selectOption('finished')
  await picture(page, 'trigger-settings')
  await accessible(page, 'the trigger’s settings')
  await expect
    .poll(async () => (await sluice.api<{ draft: object }>('GET', `/flows/${id}`)).draft)
    .toMatchObject({
      order: 'flow',
      rate: '100/s',
      dedupe: { window: '24h' },
      trigger: { methods: ['PUT'], respond: { when: 'finished' } },
    })
})

test('a flow that a schedule starts is set up by the schedule’s own fields', async ({ page, sluice }) => {
  await page.goto(`${sluice.url}/flows/new`)
  await page.getByLabel('Search components').fill('schedule')
  await picture(page, 'new-flow')
  await page.getByRole('button', { name: 'Choose Schedule' }).click()
  await page.getByRole('textbox', { name: /cron/i }).first().fill('0 8 * * 1-5')
  await picture(page, 'schedule')
  await accessible(page, 'a schedule')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Skip' }).click()
  await page.getByRole('button', { name: 'Finish step' }).click()
  const id = page.url().split('/').at(-2)!
  await expect
    .poll(async () => (await sluice.api<{ draft: object }>('GET', `/flows/${id}`)).draft)
    .toMatchObject({ trigger: { uses: 'schedule/cron', input: { cron: '0 8 * * 1-5' } } })
})
