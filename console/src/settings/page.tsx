import { useQuery } from '@tanstack/react-query'
import { CheckCircle2, CircleAlert, LogOut, Monitor, Moon, RefreshCw, Sun, XCircle } from 'lucide-react'
import { api, exact } from '../api/client.ts'
import { sessionState } from '../app/login.tsx'
import { setTheme, useTheme } from '../app/theme.ts'
import { Button } from '../ui/button.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { tellError } from '../ui/toast.tsx'

const themes = [
  { value: 'light', label: 'Light', icon: Sun },
  { value: 'dark', label: 'Dark', icon: Moon },
  { value: 'system', label: 'As the system', icon: Monitor },
] as const

/** How the page looks, and how what Sluice depends on stands. */
export function SettingsPage() {
  const theme = useTheme()
  const health = useQuery({
    queryKey: ['doctor'],
    queryFn: async () => (await api.GET('/api/v1/doctor')).data!,
    refetchInterval: 15_000,
  })
  const session = useQuery({ queryKey: ['session'], queryFn: sessionState })
  return (
    <Page title="Settings">
      <Card className="p-5">
        <h2 className="font-semibold">Appearance</h2>
        <fieldset aria-label="Theme" className="mt-3 flex flex-wrap gap-2">
          {themes.map(t => (
            <button
              key={t.value}
              type="button"
              aria-pressed={theme === t.value}
              onClick={() => setTheme(t.value)}
              className="flex h-10 items-center gap-2 rounded-lg border border-line-strong px-4 text-ink-2 hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent-soft aria-pressed:font-medium aria-pressed:text-accent-ink"
            >
              <t.icon aria-hidden className="size-4" />
              {t.label}
            </button>
          ))}
        </fieldset>
      </Card>

      <Card className="p-5">
        <header className="flex items-center justify-between gap-3">
          <div>
            <h2 className="font-semibold">Health</h2>
            <p className="text-[0.8125rem] text-ink-3">
              What Sluice depends on, as <code>sluice doctor</code> sees it.
            </p>
          </div>
          <Button
            small
            busy={health.isFetching}
            icon={<RefreshCw aria-hidden className="size-3.5" />}
            onClick={() => void health.refetch()}
          >
            Check now
          </Button>
        </header>
        {health.isPending ? (
          <div className="mt-4">
            <Loading lines={3} />
          </div>
        ) : health.isError ? (
          <div className="mt-4">
            <Problem error={health.error} />
          </div>
        ) : (
          <ul className="mt-3 flex flex-col divide-y divide-line">
            {health.data.checks.map(c => (
              <li key={c.name} className="flex items-start gap-3 py-2.5">
                {c.ok ? (
                  <CheckCircle2 aria-label="well" className="mt-0.5 size-4 shrink-0 text-good" />
                ) : c.optional ? (
                  <CircleAlert aria-label="away, and not needed for hooks" className="mt-0.5 size-4 shrink-0 text-warn" />
                ) : (
                  <XCircle aria-label="broken" className="mt-0.5 size-4 shrink-0 text-bad" />
                )}
                <div className="min-w-0 flex-1">
                  <p>{c.name}</p>
                  {c.error && <p className="break-words text-[0.8125rem] text-bad">{c.error}</p>}
                  {c.remedy && <p className="text-[0.8125rem] text-ink-2">{c.remedy}</p>}
                </div>
                <span className="text-[0.8125rem] text-ink-3 tabular-nums">{c.durationMs < 1 ? '< 1' : Math.round(c.durationMs)} ms</span>
              </li>
            ))}
          </ul>
        )}
      </Card>

      <Card className="p-5">
        <h2 className="font-semibold">API</h2>
        <p className="mt-1 text-ink-2">
          All that these pages do goes through the API, which{' '}
          <a href="/api/v1/openapi.json" className="text-accent-ink underline underline-offset-2">
            its OpenAPI document
          </a>{' '}
          describes. The command line uses it too: <code>sluice --help</code>.
        </p>
        {session.data?.required && (
          <Button
            className="mt-4"
            icon={<LogOut aria-hidden className="size-4" />}
            onClick={() => exact('DELETE', '/session').then(() => location.reload(), tellError)}
          >
            Sign out
          </Button>
        )}
      </Card>
    </Page>
  )
}
