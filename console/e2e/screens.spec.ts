import { createHmac } from 'node:crypto'
import { accessible, expect, picture, Sluice, test } from './sluice.ts'

// Every screen, narrow and wide, light and dark: no violation, nothing that
// sticks out, and whatever strangers wrote is text.

const evil = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>'

let sluice: Sluice
let screens: [name: string, path: string][]

test.beforeAll(async () => {
  sluice = await Sluice.make()
  await sluice.api('POST', '/credentials', {
    id: 'hub',
    name: `Hub ${evil}`,
    uses: 'webhook',
    type: 'github',
    values: { secret: 'sesame' },
  })
  const flow = (id: string, credential?: string) => ({
    kind: 'Flow',
    id,
    name: `Flow ${evil}`,
    note: evil,
    trigger: { uses: 'webhook/receive', name: evil, credential },
    steps: [
      { id: 'shape', name: `Step ${evil}`, note: evil, uses: 'mapper/map', input: { who: '=$uppercase(body.who)', raw: '=body' } },
      { id: 'fail', name: 'Fails', uses: 'mapper/map', input: { x: `=$error(body.error)` } },
    ],
  })
  for (const f of [flow('evil'), flow('locked', 'hub')]) {
    await sluice.api('POST', '/flows', f)
    await sluice.api('POST', `/flows/${f.id}/publish`)
    await sluice.api('POST', `/flows/${f.id}/start`)
  }
  const ids: string[] = []
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(`${sluice.hooks}/hook/evil?q=${encodeURIComponent(evil)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Evil': evil },
      body: JSON.stringify({ who: evil, error: evil, [evil]: [evil] }),
    })
    ids.push(((await answer.json()) as { requestId: string }).requestId)
  }
  const body = JSON.stringify({ who: evil })
  await fetch(`${sluice.hooks}/hook/locked`, {
    method: 'POST',
    headers: { 'X-Evil': evil, 'X-Hub-Signature-256': `sha256=${createHmac('sha256', 'wrong').update(body).digest('hex')}` },
    body,
  })
  await sluice.hook('pets', { petname: evil, petstatus: 'Sold' })
  await expect.poll(async () => (await sluice.api<{ items: unknown[] }>('GET', '/executions?flow=evil&status=failed')).items.length).toBe(3)
  const { id: replay } = await sluice.api<{ id: string }>('POST', '/replays', {
    flow: 'evil',
    from: '1h',
    version: 'live',
    dryRun: true,
    note: evil,
  })
  screens = [
    ['dashboard', '/'],
    ['flows', '/flows'],
    ['flow', '/flows/evil'],
    ['designer', '/flows/evil/edit'],
    ['yaml', '/flows/evil/yaml'],
    ['versions', '/flows/evil/versions'],
    ['new-flow', '/flows/new'],
    ['run-log', '/executions'],
    ['execution', `/executions/${ids[0]}`],
    ['compare', `/executions/${ids[0]}/compare/${ids[1]}`],
    ['tail', '/tail'],
    ['rejected', '/rejected?flow=locked'],
    ['replays', '/replays'],
    ['replay', `/replays/${replay}`],
    ['new-replay', '/replays/new?flow=evil'],
    ['sql', `/sql?q=${encodeURIComponent('SELECT id, error FROM executions')}`],
    ['credentials', '/credentials'],
    ['components', '/components'],
    ['settings', '/settings'],
    ['not-found', '/nothing/here'],
  ]
})

test.afterAll(async () => sluice?.close())

for (const [look, width, scheme] of [
  ['wide', 1440, 'dark'],
  ['narrow', 360, 'light'],
  ['narrow-dark', 360, 'dark'],
] as const) {
  test(`every screen, ${look}`, async ({ page }) => {
    test.setTimeout(180_000)
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 })
    await page.emulateMedia({ colorScheme: scheme })
    const wrong: string[] = []
    for (const [name, path] of screens) {
      await page.goto(sluice.url + path)
      await expect(page.locator('h1').first()).toBeAttached()
      await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
      if (name === 'tail') {
        await expect(page.getByText('Live', { exact: true })).toBeVisible()
        await sluice.hook('evil', { who: evil, error: evil })
        await expect(page.locator('[data-row]').first()).toBeVisible()
      }
      await picture(page, `${look}-${name}`)
      await accessible(page, `${name}, ${look}`).catch(e => wrong.push(String(e.message).slice(0, 600)))
      const out = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      if (out > 0) wrong.push(`${name}: ${out} px wider than the screen`)
      if (await page.evaluate(() => 'ran' in window || document.querySelector('img[src="x"]') !== null))
        wrong.push(`${name}: markup of a stranger runs`)
    }
    expect(wrong).toEqual([])
  })
}
