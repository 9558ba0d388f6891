import type { ButtonHTMLAttributes, ComponentProps, ReactNode } from 'react'

type Look = 'primary' | 'plain' | 'quiet' | 'danger'

const looks: Record<Look, string> = {
  primary:
    'bg-accent text-on-accent hover:bg-accent-hover shadow-card font-medium disabled:bg-calm-soft disabled:text-ink-3 disabled:shadow-none',
  plain:
    'bg-surface text-ink border border-line-strong hover:bg-hover shadow-card disabled:text-ink-3 disabled:bg-transparent disabled:shadow-none',
  quiet: 'text-ink-2 hover:bg-hover hover:text-ink disabled:text-ink-3 disabled:hover:bg-transparent',
  danger:
    'bg-surface text-bad border border-line-strong hover:bg-bad-soft hover:border-bad disabled:border-line disabled:bg-transparent disabled:text-ink-3',
}

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
  small?: boolean
  busy?: boolean
  icon?: ReactNode
}

export function Button({ look = 'plain', small, busy, icon, children, className = '', disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={`inline-flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-lg transition-colors ${small ? 'h-7 px-2.5 text-[0.8125rem]' : 'h-9 px-3.5'} ${looks[look]} ${className}`}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  )
}

export interface IconButtonProps extends ComponentProps<'button'> {
  label: string
  keys?: string
}

/** A button that is an icon; its label is its name and its tooltip. */
export function IconButton({ label, keys, className = '', children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={keys ? `${label} (${keys})` : label}
      {...rest}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-ink-2 transition-colors hover:bg-hover hover:text-ink disabled:text-ink-3 disabled:opacity-50 disabled:hover:bg-transparent ${className}`}
    >
      {children}
    </button>
  )
}

export function Spinner() {
  return <span aria-hidden className="size-3.5 animate-spin rounded-full border-2 border-current border-r-transparent" />
}
