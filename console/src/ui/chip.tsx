import type { ReactNode } from 'react'

/** One of several choices, pressed while it is chosen. */
export function Chip({ on, onClick, children }: { on: boolean; onClick: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={onClick}
      className={`h-7 rounded-full border px-2.5 text-xs ${on ? 'border-accent bg-accent-soft font-medium text-accent-ink' : 'border-line-strong text-ink-2 hover:bg-hover'}`}
    >
      {children}
    </button>
  )
}
