import { useSyncExternalStore } from 'react'

// The theme is what the user chose, or else the system's.
export type Theme = 'system' | 'light' | 'dark'

const key = 'sluice.theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<() => void>()

function chosen(): Theme {
  const v = localStorage.getItem(key)
  return v === 'light' || v === 'dark' ? v : 'system'
}

export function applyTheme() {
  const theme = chosen()
  document.documentElement.dataset.theme = theme === 'system' ? (system.matches ? 'dark' : 'light') : theme
  for (const tell of listeners) tell()
}

export function setTheme(theme: Theme) {
  if (theme === 'system') localStorage.removeItem(key)
  else localStorage.setItem(key, theme)
  applyTheme()
}

system.addEventListener('change', applyTheme)

function subscribe(tell: () => void) {
  listeners.add(tell)
  return () => {
    listeners.delete(tell)
  }
}

export const useTheme = () => useSyncExternalStore(subscribe, chosen)

/** Whether what is shown now is dark: for what draws on a canvas. */
export const useDark = () => useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme === 'dark')
