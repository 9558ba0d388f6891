import { AlertTriangle } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { ApiError } from '../api/client.ts'
import { Button } from './button.tsx'

/** A screen: its title, what can be done on it, and its content. */
export function Page({
  title,
  about,
  actions,
  children,
  wide,
}: {
  title: string
  about?: ReactNode
  actions?: ReactNode
  children: ReactNode
  wide?: boolean
}) {
  useEffect(() => {
    document.title = `${title} · Sluice`
  }, [title])
  return (
    <main
      id="main"
      tabIndex={-1}
      className={`mx-auto flex w-full ${wide ? 'max-w-none' : 'max-w-6xl'} flex-col gap-5 px-4 py-6 outline-none sm:px-8 sm:py-8`}
    >
      <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          <h1 className="text-[1.375rem] font-semibold leading-tight tracking-tight wrap-anywhere">{title}</h1>
          {about && <p className="mt-1 max-w-2xl text-ink-3 wrap-anywhere">{about}</p>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </main>
  )
}

export function Card({ children, className = '' }: { children: ReactNode; className?: string }) {
  return <section className={`rounded-xl border border-line bg-surface shadow-card ${className}`}>{children}</section>
}

/** What a screen shows while there is nothing: why, and what to do next. */
export function Empty({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-3 rounded-xl border border-dashed border-line-strong px-6 py-14 text-center">
      {icon && (
        <div className="flex size-11 items-center justify-center rounded-2xl bg-accent-soft text-accent-ink [&>svg]:size-5">{icon}</div>
      )}
      <h2 className="text-base font-semibold">{title}</h2>
      {children && <div className="max-w-md text-ink-3">{children}</div>}
      {action && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  )
}

/** An error: what is wrong, and what to do about it. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const e = error instanceof ApiError ? error : null
  return (
    <div role="alert" className="flex items-start gap-3 rounded-xl border border-bad/40 bg-bad-soft px-4 py-3">
      <AlertTriangle aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0 flex-1">
        <p className="font-medium text-bad">{e?.message ?? (error instanceof Error ? error.message : String(error))}</p>
        {e?.remedy && <p className="mt-0.5 text-ink-2">{e.remedy}</p>}
        {e && e.problems.length > 1 && (
          <ul className="mt-1 list-disc pl-4 text-ink-2">
            {e.problems.map((p, i) => (
              <li key={i}>
                {p.path && <code>{p.path}</code>} {p.message}
                {p.remedy && `: ${p.remedy}`}
              </li>
            ))}
          </ul>
        )}
      </div>
      {retry && (
        <Button small onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  )
}

/** Bars in place of content that is on its way. */
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-3">
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="h-12 animate-pulse rounded-xl bg-sunken" />
      ))}
    </div>
  )
}
