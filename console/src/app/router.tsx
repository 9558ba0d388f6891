import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from '@tanstack/react-router'
import { Compass } from 'lucide-react'
import { Empty, Page, Problem } from '../ui/page.tsx'
import { Shell } from './shell.tsx'

// Routes are thin: a path, and the screen that is fetched for it.

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="Not found">
      <Empty icon={<Compass />} title="There is nothing at this address" action={<Link to="/flows">Go to the flows</Link>} />
    </Page>
  ),
  errorComponent: ({ error, reset }) => (
    <Page title="Something broke">
      <Problem error={error} retry={reset} />
    </Page>
  ),
})

const at = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => root, path, component: component as never })

// One draft is open in all of its tabs: they are children of the designer, which stays.
const designer = createRoute({
  getParentRoute: () => root,
  id: 'designer',
  component: lazyRouteComponent(() => import('../designer/designer.tsx'), 'Designer'),
})
const tab = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => designer, path, component: component as never })
const canvas = lazyRouteComponent(() => import('../designer/canvas.tsx'), 'Canvas')
const tabs = [
  tab('/flows/$id/edit', canvas),
  tab(
    '/flows/$id/yaml',
    lazyRouteComponent(() => import('../designer/yaml.tsx'), 'YamlView'),
  ),
  tab(
    '/flows/$id/versions',
    lazyRouteComponent(() => import('../versions/list.tsx'), 'VersionList'),
  ),
]

const routes = [
  at(
    '/flows/new',
    lazyRouteComponent(() => import('../designer/start.tsx'), 'NewFlow'),
  ),
  at(
    '/flows/$id',
    lazyRouteComponent(() => import('../flows/page.tsx'), 'FlowPage'),
  ),
  at(
    '/flows',
    lazyRouteComponent(() => import('../flows/list.tsx'), 'FlowList'),
  ),
  at(
    '/',
    lazyRouteComponent(() => import('../dashboard/dashboard.tsx'), 'Dashboard'),
  ),
  at(
    '/executions',
    lazyRouteComponent(() => import('../executions/list.tsx'), 'RunLog'),
  ),
  at(
    '/executions/$id',
    lazyRouteComponent(() => import('../executions/detail.tsx'), 'ExecutionScreen'),
  ),
  at(
    '/executions/$id/compare/$other',
    lazyRouteComponent(() => import('../executions/compare.tsx'), 'CompareScreen'),
  ),
  at(
    '/rejected',
    lazyRouteComponent(() => import('../rejected/page.tsx'), 'RejectedPage'),
  ),
  at(
    '/tail',
    lazyRouteComponent(() => import('../tail/page.tsx'), 'TailPage'),
  ),
  at(
    '/replays',
    lazyRouteComponent(() => import('../replays/list.tsx'), 'ReplayList'),
  ),
  at(
    '/replays/new',
    lazyRouteComponent(() => import('../replays/new.tsx'), 'NewReplayPage'),
  ),
  at(
    '/replays/$id',
    lazyRouteComponent(() => import('../replays/detail.tsx'), 'ReplayScreen'),
  ),
  at(
    '/erasures',
    lazyRouteComponent(() => import('../erasures/list.tsx'), 'ErasureList'),
  ),
  at(
    '/erasures/new',
    lazyRouteComponent(() => import('../erasures/new.tsx'), 'NewErasurePage'),
  ),
  at(
    '/erasures/$id',
    lazyRouteComponent(() => import('../erasures/detail.tsx'), 'ErasureScreen'),
  ),
  at(
    '/sql',
    lazyRouteComponent(() => import('../sql/page.tsx'), 'SqlPage'),
  ),
  at(
    '/alerts',
    lazyRouteComponent(() => import('../alerts/page.tsx'), 'AlertsPage'),
  ),
  at(
    '/credentials',
    lazyRouteComponent(() => import('../credentials/page.tsx'), 'CredentialsPage'),
  ),
  at(
    '/components',
    lazyRouteComponent(() => import('../components/page.tsx'), 'ComponentsPage'),
  ),
  at(
    '/settings',
    lazyRouteComponent(() => import('../settings/page.tsx'), 'SettingsPage'),
  ),
]

// Search parameters are text, and stay as they were written: 1e5 is no number.
export const router = createRouter({
  routeTree: root.addChildren([designer.addChildren(tabs), ...routes]),
  defaultPreload: 'intent',
  scrollRestoration: false,
  parseSearch: s => Object.fromEntries(new URLSearchParams(s)),
  stringifySearch: s => {
    const p = new URLSearchParams(Object.entries(s).flatMap(([k, v]) => (v === undefined || v === null ? [] : [[k, String(v)]])))
    const text = p.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')
    return text ? `?${text}` : ''
  },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
