import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { Menu as Burger, Moon, Search, Sun, X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { IconButton } from '../ui/button.tsx'
import { Toasts } from '../ui/toast.tsx'
import { Away } from './away.tsx'
import { Palette } from './palette.tsx'
import { places } from './places.ts'
import { Shortcuts, useShortcut } from './shortcuts.tsx'
import { setTheme, useDark } from './theme.ts'

export function Shell() {
  const [menu, setMenu] = useState(false)
  const [palette, setPalette] = useState(false)
  const [help, setHelp] = useState(false)
  const path = useRouterState({ select: s => s.location.pathname })
  const dark = useDark()
  const burger = useRef<HTMLButtonElement>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new place closes the menu
  useEffect(() => setMenu(false), [path])
  useShortcut('mod+k', () => setPalette(true), { label: 'Search and go anywhere', typing: true })
  useShortcut('?', () => setHelp(true), { label: 'Keyboard shortcuts' })
  const close = () => {
    setMenu(false)
    burger.current?.focus()
  }

  return (
    <div className="flex h-full flex-col">
      <a
        href="#main"
        className="sr-only z-50 rounded-lg bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <header className="group/header z-30 flex h-13 shrink-0 items-center gap-1 border-b border-line bg-surface px-2 sm:gap-2 sm:px-2.5">
        <IconButton ref={burger} label="Main menu" aria-expanded={menu} aria-controls="main-menu" onClick={() => setMenu(!menu)}>
          <Burger aria-hidden className="size-5" />
        </IconButton>
        <Link
          to="/"
          className="mr-1 flex items-center max-sm:group-has-[#topbar:not(:empty)]/header:hidden gap-2 rounded-lg px-1.5 py-1 font-semibold tracking-tight text-ink"
        >
          <img src="/icon.svg" alt="" className="size-6" />
          <span className="sr-only sm:not-sr-only">Sluice</span>
        </Link>
        {/* A screen that wants it puts its own bar here (app/topbar.tsx). */}
        <div id="topbar" className="flex min-w-0 flex-1 items-center gap-2" />
        <button
          type="button"
          onClick={() => setPalette(true)}
          className="hidden h-8 items-center gap-2 rounded-lg border border-line bg-page px-2.5 text-[0.8125rem] text-ink-3 hover:border-line-strong hover:text-ink-2 lg:flex"
        >
          <Search aria-hidden className="size-3.5" />
          Search
          <kbd className="ml-4 rounded border border-line bg-surface px-1.5 text-[0.6875rem]">Ctrl K</kbd>
        </button>
        <IconButton label="Search and go anywhere" keys="Ctrl+K" className="lg:hidden" onClick={() => setPalette(true)}>
          <Search aria-hidden className="size-4" />
        </IconButton>
        <IconButton label={dark ? 'Light theme' : 'Dark theme'} className="max-sm:hidden" onClick={() => setTheme(dark ? 'light' : 'dark')}>
          {dark ? <Sun aria-hidden className="size-4" /> : <Moon aria-hidden className="size-4" />}
        </IconButton>
      </header>
      {/* The designer says it itself, and what becomes of the draft. */}
      <Away quiet={/^\/flows\/[^/]+\/./.test(path)} />
      <div className="flex min-h-0 flex-1">
        <nav aria-label="Places" className="hidden w-14 shrink-0 flex-col items-center gap-1 border-r border-line bg-surface py-3 md:flex">
          {places.map(p => (
            <Link
              key={p.to}
              to={p.to}
              title={p.label}
              aria-label={p.label}
              activeOptions={{ exact: p.to === '/' }}
              className="flex size-10 items-center justify-center rounded-xl text-ink-3 transition-colors hover:bg-hover hover:text-ink"
              activeProps={{ className: 'bg-accent-soft !text-accent-ink' }}
            >
              <p.icon aria-hidden className="size-[1.1875rem]" />
            </Link>
          ))}
        </nav>
        <div className="relative flex min-w-0 flex-1 flex-col overflow-auto">
          <Outlet />
        </div>
      </div>
      {menu && (
        // biome-ignore lint/a11y/noStaticElementInteractions: a click beside the menu closes it, as Escape does
        <div className="fixed inset-0 z-40 animate-fade bg-scrim" onMouseDown={e => e.target === e.currentTarget && close()}>
          <nav
            id="main-menu"
            aria-label="Main menu"
            onKeyDown={e => e.key === 'Escape' && close()}
            className="flex h-full w-64 animate-slide flex-col gap-0.5 border-r border-line bg-raised p-2.5 shadow-pop"
          >
            <div className="mb-2 flex items-center justify-between pl-2">
              <span className="flex items-center gap-2 font-semibold tracking-tight">
                <img src="/icon.svg" alt="" className="size-6" /> Sluice
              </span>
              <IconButton label="Close menu" onClick={close}>
                <X aria-hidden className="size-4" />
              </IconButton>
            </div>
            {places.map((p, i) => (
              <Link
                key={p.to}
                to={p.to}
                autoFocus={i === 0}
                onClick={() => setMenu(false)}
                activeOptions={{ exact: p.to === '/' }}
                className="flex h-10 items-center gap-3 rounded-lg px-3 text-ink-2 hover:bg-hover hover:text-ink"
                activeProps={{ className: 'bg-accent-soft !text-accent-ink font-medium' }}
              >
                <p.icon aria-hidden className="size-[1.125rem]" />
                {p.label}
              </Link>
            ))}
            <button
              type="button"
              onClick={() => {
                setMenu(false)
                setHelp(true)
              }}
              className="mt-auto flex h-10 items-center justify-between rounded-lg px-3 text-ink-3 hover:bg-hover hover:text-ink"
            >
              Keyboard shortcuts <kbd>?</kbd>
            </button>
          </nav>
        </div>
      )}
      {palette && <Palette onClose={() => setPalette(false)} />}
      {help && <Shortcuts onClose={() => setHelp(false)} />}
      <Toasts />
    </div>
  )
}
