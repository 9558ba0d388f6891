import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { cleanup, render, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AlertsPage } from './page.tsx'
import type { Alert } from './queries.ts'

// The page over an API of one alert, which remembers what it was sent.

let alerts: Partial<Alert>[]
const sent: { method: string; path: string; body: unknown }[] = []

beforeEach(() => {
  sent.length = 0
  alerts = [
    {
      id: 'a',
      name: 'Too many failures',
      query: 'failed',
      when: '>',
      threshold: 10,
      every: '1m0s',
      destination: { type: 'webhook', url: 'https://example.com' },
      state: 'open',
      value: 12,
      opening: 1,
      openedAt: new Date().toISOString(),
      stateAt: new Date().toISOString(),
    },
  ]
  vi.stubGlobal('fetch', async (r: Request) => {
    const path = new URL(r.url).pathname.replace('/api/v1', '')
    const body = r.method === 'GET' ? undefined : await r.text()
    if (r.method !== 'GET') sent.push({ method: r.method, path, body: body ? JSON.parse(body) : undefined })
    const answer = (v: unknown) => new Response(JSON.stringify(v))
    if (path === '/alerts' && r.method === 'GET') return answer({ items: alerts })
    if (path === '/queries') return answer({ items: [{ id: 'failed', name: 'Failures', sql: 'SELECT 12' }] })
    if (path === '/queries/failed/run') return answer({ rows: [['12']] })
    if (path.endsWith('/acknowledge')) alerts = [{ ...alerts[0], state: 'acknowledged' }]
    return answer({})
  })
  HTMLDialogElement.prototype.showModal ??= function () {
    this.open = true
  }
})
afterEach(cleanup)

function show() {
  const router = createRouter({
    routeTree: createRootRoute({ component: AlertsPage }),
    history: createMemoryHistory({ initialEntries: ['/'] }),
  })
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  )
  return userEvent.setup()
}

test('an open alert says what it asks and how it stands, and is acknowledged', async () => {
  const user = show()
  const item = (await screen.findByText('Too many failures')).closest('li')!
  expect(item.textContent).toContain('Failures > 10, asked every minute')
  expect(item.textContent).toContain('Webhook · example.com')
  await user.click(within(item).getByRole('button', { name: 'Acknowledge' }))
  await waitFor(() => expect(sent.at(-1)?.path).toBe('/alerts/a/acknowledge'))
  await waitFor(() => expect(item.textContent).toContain('Acknowledged'))
  expect(within(item).queryByRole('button', { name: 'Acknowledge' })).toBeNull()
})

test('a new alert asks its query at once, says whether it would open, and is sent as the API takes it', async () => {
  const user = show()
  await user.click(await screen.findByRole('button', { name: 'New alert', hidden: true }))
  const dialog = (await screen.findByText('Saved query')).closest('dialog')!
  const at = within(dialog)
  await user.selectOptions(at.getByLabelText(/Saved query/), 'failed')
  await user.clear(at.getByLabelText(/Threshold/))
  await user.type(at.getByLabelText(/Threshold/), '11')
  await waitFor(() => expect(dialog.textContent).toContain('It is 12 now: the alert would open'))
  expect(at.getByRole<HTMLButtonElement>('button', { name: 'Save', hidden: true }).disabled).toBe(true)
  await user.click(at.getByRole('button', { name: 'E-mail', hidden: true }))
  await user.type(at.getByLabelText(/^To/), 'a@example.com, b@example.com')
  await user.click(at.getByRole('button', { name: 'Save', hidden: true }))
  await waitFor(() => expect(sent.at(-1)).toMatchObject({ method: 'POST', path: '/alerts' }))
  expect(sent.at(-1)?.body).toEqual({
    query: 'failed',
    when: '>',
    threshold: 11,
    every: '1m0s',
    destination: { type: 'email', to: ['a@example.com', 'b@example.com'] },
  })
})
