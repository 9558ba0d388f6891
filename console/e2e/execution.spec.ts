import { readFileSync } from 'node:fs'
import { accessible, expect, picture, test } from './sluice.ts'

interface One {
  id: string
  status: string
  replayOf: string | null
  callbacks?: Record<string, string>
  steps: { id: string; status: string; output: unknown }[]
}

// One after the other: the second uses the first one's flow.
test.describe.configure({ mode: 'serial' })

const flow = {
  kind: 'Flow',
  id: 'asks',
  name: 'Asks a person',
  trigger: { uses: 'webhook/receive' },
  steps: [
    { id: 'shape', name: 'Shape', uses: 'mapper/map', input: { n: '=body.n * 2' } },
    { id: 'answer', name: 'Wait for an answer', uses: 'webhook/wait', input: { timeout: '1h' } },
    {
      id: 'child',
      name: 'Tell the other flow',
      uses: 'flow/call',
      after: ['answer'],
      input: { flow: 'other', body: '=steps.answer.body' },
    },
  ],
}

test('an execution that waits: its callback URL, the flow it calls, and again from a step with links both ways', async ({
  page,
  sluice,
}) => {
  await sluice.api('POST', '/flows', {
    kind: 'Flow',
    id: 'other',
    name: 'The other flow',
    trigger: { uses: 'webhook/receive' },
    steps: [{ id: 'm', uses: 'mapper/map', input: { got: '=body' } }],
  })
  await sluice.api('POST', '/flows', flow)
  for (const id of ['other', 'asks']) {
    await sluice.api('POST', `/flows/${id}/publish`)
    await sluice.api('POST', `/flows/${id}/start`)
  }
  const { requestId } = await sluice.hook('asks', { n: 21, evil: '<img src=x onerror=alert(1)>' })
  await page.goto(`${sluice.url}/executions/${requestId}`)
  const callback = page.getByRole('region', { name: 'Callback URL' })
  await expect(callback).toBeVisible()
  await expect(page.getByRole('region', { name: 'What to do' })).toContainText('It waits')
  await picture(page, 'execution-waiting')
  await accessible(page, 'an execution that waits')
  await callback.getByRole('button', { name: 'Copy URL' }).click()
  const url = await page.evaluate(() => navigator.clipboard.readText())
  expect((await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"yes": true}' })).status).toBe(200)
  await expect(page.getByText('Succeeded', { exact: true }).first()).toBeVisible()
  await expect(callback).toHaveCount(0)

  await page.locator('[data-step="trigger"]').click()
  await page.getByRole('button', { name: 'Raw' }).click()
  await expect(page.getByRole('region', { name: 'Raw request' })).toContainText('POST /hook/asks HTTP/1.1')
  await expect(page.getByRole('region', { name: 'Raw request' })).toContainText('<img src=x onerror=alert(1)>')
  await page.locator('[data-step="child"]').click()
  await expect(page.getByText('It called a flow:')).toBeVisible()
  await page.getByRole('button', { name: 'Retry from here' }).click()
  await expect(page.getByText('Retries', { exact: true })).toBeVisible()
  await expect(page).not.toHaveURL(new RegExp(requestId))
  await expect(page.getByText('Succeeded', { exact: true }).first()).toBeVisible()
  const again = await sluice.api<One>('GET', `/executions/${page.url().split('/').at(-1)}`)
  expect(again.replayOf).toBe(requestId)
  expect(again.steps.find(s => s.id === 'answer')?.status).toBe('succeeded') // taken over: nobody was asked again
  await page.getByRole('link', { name: requestId.slice(0, 18) }).click()
  await expect(page).toHaveURL(new RegExp(requestId))
  await expect(page.getByRole('link', { name: again.id.slice(0, 18) })).toBeVisible()

  // With another body, and given up by hand.
  await page.getByRole('button', { name: 'Edit and retry' }).click()
  await page.getByLabel('Body', { exact: true }).fill('{"n": 5}')
  await picture(page, 'execution-edit')
  await accessible(page, 'editing a body')
  await page.getByRole('button', { name: 'Retry with this body' }).click()
  await page.getByRole('region', { name: 'What to do' }).getByRole('button', { name: 'Give up' }).click()
  await page.getByLabel('Why').fill('nobody <b>answers</b>')
  await page.getByRole('button', { name: 'Let it fail' }).click()
  await expect(page.getByText('nobody <b>answers</b>').first()).toBeVisible()
  await picture(page, 'execution-failed')
  await accessible(page, 'a failed execution')
})

test('a file is downloaded as it came', async ({ page, sluice }) => {
  const form = new FormData()
  form.append('note', 'hello')
  form.append('doc', new Blob(['%PDF <script>'], { type: 'application/pdf' }), 'a <b>.pdf')
  const answer = await fetch(`${sluice.hooks}/hook/asks`, { method: 'POST', body: form })
  expect(answer.status).toBe(200)
  const { requestId } = (await answer.json()) as { requestId: string }
  await page.goto(`${sluice.url}/executions/${requestId}`)
  await page.locator('[data-step="trigger"]').click()
  await expect(page.getByRole('region', { name: 'Files' })).toContainText('a <b>.pdf')
  await picture(page, 'execution-files')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download a <b>.pdf' }).click()])
  expect(readFileSync(await download.path(), 'utf8')).toBe('%PDF <script>')
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.getByRole('button', { name: 'Cancel the execution' }).click()
  await expect(page.getByText('Cancelled', { exact: true }).first()).toBeVisible()
})
