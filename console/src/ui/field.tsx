import { ChevronDown } from 'lucide-react'
import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes, useId } from 'react'

const box =
  'w-full rounded-lg border bg-surface px-3 text-ink transition-colors hover:border-ink-3 disabled:bg-sunken disabled:text-ink-3 aria-invalid:border-bad border-line-strong'

interface Around {
  label: ReactNode
  hint?: ReactNode
  error?: ReactNode
  required?: boolean
  hideLabel?: boolean
}

/** A label with its control, what it is for, and what is wrong with it. */
export function Field({
  label,
  hint,
  error,
  required,
  hideLabel,
  children,
}: Around & { children: (a: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true; required?: boolean }) => ReactNode }) {
  const id = useId()
  const said = error || hint ? `${id}-said` : undefined
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-[0.8125rem] font-medium text-ink-2'}>
        {label}
        {required && !hideLabel && (
          <span aria-hidden className="ml-0.5 text-bad">
            *
          </span>
        )}
      </label>
      {children({ id, 'aria-describedby': said, 'aria-invalid': error ? true : undefined, required })}
      {(error || hint) && (
        <p id={said} role={error ? 'alert' : undefined} className={`text-[0.8125rem] ${error ? 'text-bad' : 'text-ink-3'}`}>
          {error || hint}
        </p>
      )}
    </div>
  )
}

export function TextField({
  label,
  hint,
  error,
  required,
  hideLabel,
  className = '',
  ...rest
}: Around & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field label={label} hint={hint} error={error} required={required} hideLabel={hideLabel}>
      {a => <input {...a} autoComplete="off" spellCheck={false} {...rest} className={`${box} h-9 ${className}`} />}
    </Field>
  )
}

export function TextArea({
  label,
  hint,
  error,
  required,
  hideLabel,
  className = '',
  ...rest
}: Around & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Field label={label} hint={hint} error={error} required={required} hideLabel={hideLabel}>
      {a => <textarea {...a} spellCheck={false} {...rest} className={`${box} py-2 leading-relaxed ${className}`} />}
    </Field>
  )
}

export function Select({
  label,
  hint,
  error,
  required,
  hideLabel,
  className = '',
  children,
  ...rest
}: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Field label={label} hint={hint} error={error} required={required} hideLabel={hideLabel}>
      {a => (
        <div className="relative">
          <select {...a} {...rest} className={`${box} h-9 appearance-none pr-9 ${className}`}>
            {children}
          </select>
          <ChevronDown aria-hidden className="pointer-events-none absolute right-2.5 top-2.5 size-4 text-ink-3" />
        </div>
      )}
    </Field>
  )
}

export function Check({ label, hint, ...rest }: { label: ReactNode; hint?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <div className="flex items-start gap-2.5">
      <input id={id} type="checkbox" {...rest} className="mt-0.5 size-4 shrink-0 accent-(--accent)" />
      <label htmlFor={id} className="text-ink-2">
        {label}
        {hint && <span className="block text-[0.8125rem] text-ink-3">{hint}</span>}
      </label>
    </div>
  )
}
