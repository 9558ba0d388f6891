import type { Page } from '@playwright/test'
import { accessible, expect, picture, test } from './sluice.ts'

// The mouse stays in the drawer: nothing here clicks, hovers or fills.

/** Goes on by Tab until the control of this name has the focus. */
async function tabTo(page: Page, name: RegExp, key = 'Tab') {
  const seen: string[] = []
  for (let i = 0; i < 60; i++) {
    const now = await focused(page)
    if (name.test(now)) return
    seen.push(now)
    await page.keyboard.press(key)
  }
  throw new Error(`${name} was not reached by ${key}:\n${seen.join('\n')}`)
}

const focused = (page: Page) =>
  page.evaluate(() => {
    const e = document.activeElement as HTMLElement | null
    if (!e || e === document.body) return ''
    const labels = [...((e as HTMLInputElement).labels ?? [])].map(l => l.textContent)
    return (e.getAttribute('aria-label') ?? labels[0] ?? e.textContent ?? '').replace(/\s+/g, ' ').trim()
  })

/** Runs a command or goes to a place by its name. */
async function palette(page: Page, words: string) {
  await page.keyboard.press('Control+k')
  await expect.poll(() => focused(page)).toMatch(/Search and go anywhere/)
  await page.keyboard.type(words)
  await page.keyboard.press('Enter')
}

/** Chooses in a drop-down by typing, as people do. */
async function select(page: Page, value: string, typed: string) {
  await page.keyboard.type(typed)
  await expect.poll(() => page.evaluate(() => (document.activeElement as HTMLSelectElement).value)).toBe(value)
}

test('the tutorial by keyboard alone, from the menu to three executions', async ({ page, sluice }) => {
  test.slow()
  await page.goto(sluice.url)
  await expect(page.getByRole('button', { name: 'Main menu' })).toBeVisible()
  await tabTo(page, /^Main menu$/)
  await page.keyboard.press('Enter')
  await tabTo(page, /^Flows$/)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Flows' })).toBeVisible()
  await tabTo(page, /^Add New Flow$/)
  await page.keyboard.press('Enter')

  // What is needed next has the focus already.
  await expect.poll(() => focused(page)).toMatch(/^Search components/)
  await page.keyboard.type('webhook')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: 'Create new credentials' })).toBeVisible()
  await expect.poll(() => focused(page)).toMatch(/^Credential/)
  await tabTo(page, /^Create new credentials$/)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog')).toBeVisible()
  await tabTo(page, /^Type/, 'Shift+Tab')
  await select(page, 'none', 'No Auth')
  await tabTo(page, /^Save$/)
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toMatch(/^Add sample manually$/)
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toMatch(/^Sample/)
  await page.keyboard.type('{"petname": "Gromit", "petstatus": "Sold"}')
  await page.keyboard.press('Control+Enter')
  await expect.poll(() => focused(page)).toMatch(/^Step name/)
  await tabTo(page, /^Finish step$/)
  await page.keyboard.press('Enter')

  await expect.poll(() => focused(page)).toMatch(/^Search components/)
  await page.keyboard.type('petstore')
  await expect(page.getByRole('button', { name: 'Choose Petstore API' })).toBeVisible()
  await page.keyboard.press('Enter')
  await tabTo(page, /^Create new credentials$/)
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await expect(dialog).toBeVisible()
  await tabTo(page, /^API key/)
  await page.keyboard.type(sluice.apiKey)
  await tabTo(page, /^Base URL/)
  await page.keyboard.press('Control+a')
  await page.keyboard.type(sluice.petstore)
  await page.keyboard.press('Enter')
  await expect(dialog).toHaveCount(0)
  await tabTo(page, /^Value for Name$/)
  await select(page, '=body.petname', 'body.petn')
  await tabTo(page, /^Value for Status$/)
  await select(page, '=body.petstatus', 'body.pets')
  await page.keyboard.press('Control+Enter')
  await expect.poll(() => focused(page)).toMatch(/^Retrieve sample$/)
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toMatch(/^Continue$/)
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toMatch(/^Step name/)
  await page.keyboard.press('Control+Enter')

  // The panel has closed, and the step has the focus.
  await expect.poll(() => focused(page)).toMatch(/^Create pet/)
  await palette(page, 'publish')
  await expect(page.getByRole('status').getByText('Published', { exact: true })).toBeVisible()
  await palette(page, 'start')
  await expect(page.getByText('The flow is live').first()).toBeVisible()
  await palette(page, 'copy url')
  await expect(page.getByText('URL copied')).toBeVisible()
  const url = await page.evaluate(() => navigator.clipboard.readText())
  expect(url).toContain('/hook/')
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"petname": "Gromit", "petstatus": "Sold"}',
    })
    expect(answer.status).toBe(200)
  }
  // Three on each step, as the tutorial's dashboard shows it.
  for (const step of ['Webhook', 'Create pet'])
    await expect(page.getByRole('button', { name: new RegExp(`^${step} ?:.*3 succeeded`) })).toBeVisible()
  await picture(page, 'live-canvas')
  await accessible(page, 'the canvas of a live flow')
  await tabTo(page, /^Watch its executions$/, 'Shift+Tab')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('link', { name: 'New flow' })).toHaveCount(3)
  await tabTo(page, /^New flow$/)
  await page.keyboard.press('Enter')
  await expect(page.getByText('Gromit').first()).toBeVisible()
})

test('the graph by keyboard: add, move, rename, duplicate, delete, undo, redo', async ({ page, sluice }) => {
  const { id } = await sluice.api<{ id: string }>('POST', '/flows', {
    kind: 'Flow',
    name: 'By keyboard',
    trigger: { uses: 'webhook/receive' },
    steps: [{ id: 'first', uses: 'mapper/map', name: 'First', input: '=body' }],
  })
  const steps = async () =>
    (await sluice.api<{ draft: { steps: { id: string; name?: string; after?: string[] }[] } }>('GET', `/flows/${id}`)).draft.steps.map(
      s => `${s.name ?? s.id}${s.after ? `<${s.after.join('+')}` : ''}`,
    )
  await page.goto(`${sluice.url}/flows/${id}/edit`)
  await expect.poll(() => focused(page)).toMatch(/^Webhook/)
  await page.keyboard.press('ArrowDown')
  await expect.poll(() => focused(page)).toMatch(/^First/)
  await page.keyboard.press('Tab')
  await expect.poll(() => focused(page)).toMatch(/^Search components/)
  await page.keyboard.type('delay')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Delay' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect.poll(() => focused(page)).toMatch(/^Delay/)
  await page.keyboard.press('F2')
  await expect.poll(() => focused(page)).toMatch(/^Step name/)
  await page.keyboard.press('Control+a')
  await page.keyboard.type('Breathe')
  await page.keyboard.press('Enter')
  await expect.poll(steps).toEqual(['First', 'Breathe'])
  await expect.poll(() => focused(page)).toMatch(/^Breathe/)
  await page.keyboard.press('Control+d')
  await expect.poll(steps).toEqual(['First', 'Breathe', 'Breathe (copy)<first'])
  await expect.poll(() => focused(page)).toMatch(/^Breathe \(copy\)/)
  await page.keyboard.press('ArrowLeft')
  if (!/^Breathe ?:/.test(await focused(page))) await page.keyboard.press('ArrowRight')
  await expect.poll(() => focused(page)).toMatch(/^Breathe ?:/)
  await page.keyboard.press('Delete')
  await expect.poll(steps).toEqual(['First', 'Breathe (copy)<first'])
  await expect.poll(() => focused(page)).toMatch(/^First/)
  await page.keyboard.press('Control+z')
  await expect.poll(steps).toEqual(['First', 'Breathe', 'Breathe (copy)<first'])
  await page.keyboard.press('Control+y')
  await expect.poll(steps).toEqual(['First', 'Breathe (copy)<first'])
  await page.keyboard.press('Control+s')
  await expect(page.getByRole('status').getByText('Saved', { exact: true }).first()).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: 'Close the step' })).toBeVisible()
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog')).toContainText('Add a step behind the chosen one')
  await picture(page, 'shortcuts')
  await accessible(page, 'the list of keys')
  await page.keyboard.press('Escape')
  // Nobody is trapped: Shift+Tab leaves the canvas.
  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).not.toMatch(/^First/)
})
