import { CheckCircle2, X, XCircle } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { ApiError } from '../api/client.ts'
import { IconButton } from './button.tsx'

interface Toast {
  id: number
  bad?: boolean
  text: string
  action?: { label: string; run: () => void }
}

let toasts: Toast[] = []
let next = 1
const listeners = new Set<() => void>()
function set(now: Toast[]) {
  toasts = now
  for (const tell of listeners) tell()
}
const dismiss = (id: number) => set(toasts.filter(t => t.id !== id))

/** Says what happened, at the edge of the screen; with an action, such as Undo, for longer. */
export function tell(text: string, action?: Toast['action'], bad = false) {
  const id = next++
  set([...toasts.slice(-3), { id, text, action, bad }])
  setTimeout(dismiss, action || bad ? 10_000 : 4_000, id)
}

/** Says what went wrong and what to do about it. */
export function tellError(e: unknown) {
  const text = e instanceof ApiError ? [e.message, e.remedy].filter(Boolean).join(' — ') : e instanceof Error ? e.message : String(e)
  tell(text, undefined, true)
}

export function Toasts() {
  const now = useSyncExternalStore(
    f => {
      listeners.add(f)
      return () => {
        listeners.delete(f)
      }
    },
    () => toasts,
  )
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed right-4 bottom-4 z-[60] flex w-[min(26rem,calc(100vw-2rem))] flex-col gap-2"
    >
      {now.map(t => (
        <div
          key={t.id}
          className="pointer-events-auto flex animate-pop items-start gap-2.5 rounded-xl border border-line bg-raised py-2.5 pr-2 pl-3.5 shadow-pop"
        >
          {t.bad ? (
            <XCircle aria-hidden className="mt-1 size-4 shrink-0 text-bad" />
          ) : (
            <CheckCircle2 aria-hidden className="mt-1 size-4 shrink-0 text-good" />
          )}
          <p className="min-w-0 flex-1 break-words py-0.5">{t.text}</p>
          {t.action && (
            <button
              type="button"
              className="rounded-md px-2 py-0.5 font-medium text-accent-ink hover:bg-hover"
              onClick={() => (t.action!.run(), dismiss(t.id))}
            >
              {t.action.label}
            </button>
          )}
          <IconButton label="Dismiss" className="size-7" onClick={() => dismiss(t.id)}>
            <X aria-hidden className="size-3.5" />
          </IconButton>
        </div>
      ))}
    </div>
  )
}
