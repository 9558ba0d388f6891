import { useEffect, useRef } from 'react'
import { Dialog } from '../ui/dialog.tsx'
import { Keys } from '../ui/menu.tsx'

interface Shortcut {
  keys: string
  label?: string
  run: (e: KeyboardEvent) => void
  typing?: boolean
  when?: (e: KeyboardEvent) => boolean
}

const active = new Set<Shortcut>()

function matches(keys: string, e: KeyboardEvent): boolean {
  const parts = keys.split('+')
  const key = parts.pop()!
  const mod = e.ctrlKey || e.metaKey
  if (parts.includes('mod') !== mod || e.altKey) return false
  if (key.length > 1 || mod) {
    if (parts.includes('shift') !== e.shiftKey) return false
  }
  return e.key.toLowerCase() === key.toLowerCase()
}

const isTyping = (e: KeyboardEvent) => {
  const t = e.composedPath()[0]
  return t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName))
}

window.addEventListener('keydown', e => {
  if (e.defaultPrevented) return
  // The latest that matches wins: a panel's before the screen's.
  for (const s of [...active].reverse()) {
    if (!matches(s.keys, e) || (isTyping(e) && !s.typing)) continue
    if (document.querySelector('dialog[open]')) continue
    if (s.when && !s.when(e)) continue
    e.preventDefault()
    s.run(e)
    return
  }
})

/**
 * While the component is shown, keys such as `mod+k`, `?` or `f2` run this.
 * Nothing runs while a dialog is open, nor while one types unless `typing`, nor
 * where `when` says no.
 * With a label it is listed under `?`.
 */
export function useShortcut(
  keys: string,
  run: (e: KeyboardEvent) => void,
  { label, typing, off, when }: { label?: string; typing?: boolean; off?: boolean; when?: (e: KeyboardEvent) => boolean } = {},
) {
  const latest = useRef({ run, when })
  latest.current = { run, when }
  useEffect(() => {
    if (off) return
    const s: Shortcut = { keys, label, typing, run: e => latest.current.run(e), when: e => latest.current.when?.(e) ?? true }
    active.add(s)
    return () => {
      active.delete(s)
    }
  }, [keys, label, typing, off])
}

const shown = (keys: string) =>
  keys
    .split('+')
    .map(
      k =>
        ({ mod: 'Ctrl', shift: 'Shift', arrowup: '↑', arrowdown: '↓', arrowleft: '←', arrowright: '→', delete: 'Del' })[k] ??
        (k.length === 1 ? k.toUpperCase() : k[0]!.toUpperCase() + k.slice(1)),
    )
    .join(' ')

export function Shortcuts({ onClose }: { onClose: () => void }) {
  const listed = [...active].filter(s => s.label)
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="grid grid-cols-[1fr_auto] items-center gap-x-6 gap-y-2.5">
        {listed.map(s => (
          <div key={s.keys + s.label} className="contents">
            <dt className="text-ink-2">{s.label}</dt>
            <dd>
              <Keys>{shown(s.keys)}</Keys>
            </dd>
          </div>
        ))}
        <div className="contents">
          <dt className="text-ink-2">Close what is open</dt>
          <dd>
            <Keys>Esc</Keys>
          </dd>
        </div>
      </dl>
    </Dialog>
  )
}
