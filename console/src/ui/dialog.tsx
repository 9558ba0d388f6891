import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'
import { IconButton } from './button.tsx'

interface DialogProps {
  title: ReactNode
  onClose: () => void
  children: ReactNode
  /** Below the rule: the buttons. */
  actions?: ReactNode
  wide?: boolean
}

/** A modal dialog: the browser's own, which keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, children, actions, wide }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const d = ref.current
    if (d && !d.open) d.showModal()
    return () => d?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog without our help
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={e => {
        e.preventDefault()
        onClose()
      }}
      onClick={e => e.target === ref.current && onClose()}
      className={`m-auto max-h-[min(46rem,92dvh)] w-[calc(100vw-2rem)] ${wide ? 'max-w-3xl' : 'max-w-lg'} animate-pop overflow-hidden rounded-2xl border border-line bg-raised p-0 text-ink shadow-pop`}
    >
      <div className="flex max-h-[min(46rem,92dvh)] flex-col">
        <header className="flex items-center justify-between gap-4 px-6 pt-5 pb-3">
          <h2 id={id} className="text-base font-semibold">
            {title}
          </h2>
          <IconButton label="Close" keys="Esc" onClick={onClose} className="-mr-2">
            <X aria-hidden className="size-4" />
          </IconButton>
        </header>
        <div className="min-h-0 flex-1 overflow-y-auto px-6 pb-5">{children}</div>
        {actions && (
          <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line bg-page px-6 py-3.5">{actions}</footer>
        )}
      </div>
    </dialog>
  )
}
