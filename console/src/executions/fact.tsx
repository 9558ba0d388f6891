import type { ReactNode } from 'react'

/** A value with what it is. */
export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-ink-3">{label}</dt>
      <dd className="truncate">{children}</dd>
    </div>
  )
}
