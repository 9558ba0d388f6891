import { useNavigate } from '@tanstack/react-router'
import { ChevronRight, CornerDownLeft, Plus, Search, Workflow } from 'lucide-react'
import { type ReactNode, useEffect, useId, useMemo, useRef, useState } from 'react'
import { useFlows } from '../flows/queries.ts'
import { commands } from './commands.ts'
import { places } from './places.ts'

interface Found {
  key: string
  label: string
  detail?: string
  icon: ReactNode
  words: string
  go: () => void
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Ctrl-K: everything has a name, and every name leads there. */
export function Palette({ onClose }: { onClose: () => void }) {
  const ref = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const navigate = useNavigate()
  const flows = useFlows().data
  const id = useId()
  useEffect(() => {
    const d = ref.current
    if (d && !d.open) d.showModal()
    return () => d?.close()
  }, [])

  const found = useMemo(() => {
    const go = (to: string) => () => void navigate({ to })
    const all: Found[] = [
      ...commands().map(c => ({
        key: `command ${c.label}`,
        label: c.label,
        detail: 'here',
        icon: <ChevronRight className="size-4" />,
        words: `${c.label} ${c.also ?? ''}`,
        go: c.run,
      })),
      ...places.map(p => ({
        key: p.to,
        label: p.label,
        icon: <p.icon className="size-4" />,
        words: `${p.label} ${p.also ?? ''}`,
        go: go(p.to),
      })),
      { key: 'new', label: 'Add New Flow', icon: <Plus className="size-4" />, words: 'add new flow create', go: go('/flows/new') },
      ...(flows ?? []).map(f => ({
        key: `flow ${f.id}`,
        label: f.name || f.id,
        detail: f.state,
        icon: <Workflow className="size-4" />,
        words: `${f.name} ${f.id} flow`,
        go: go(`/flows/${f.id}`),
      })),
    ]
    const words = text.toLowerCase().split(/\s+/).filter(Boolean)
    const hits = all.filter(f => words.every(w => f.words.toLowerCase().includes(w)))
    if (uuid.test(text.trim())) {
      hits.unshift({
        key: 'id',
        label: `Execution ${text.trim()}`,
        icon: <Search className="size-4" />,
        words: '',
        go: go(`/executions/${text.trim()}`),
      })
    }
    return hits
  }, [text, flows, navigate])
  const chosen = Math.min(at, found.length - 1)

  const choose = (f?: Found) => {
    if (!f) return
    onClose()
    f.go()
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog without our help
    <dialog
      ref={ref}
      aria-label="Search and go anywhere"
      onCancel={e => {
        e.preventDefault()
        onClose()
      }}
      onClick={e => e.target === ref.current && onClose()}
      className="mx-auto mt-[12vh] w-[calc(100vw-2rem)] max-w-xl animate-pop overflow-hidden rounded-2xl border border-line bg-raised p-0 text-ink shadow-pop"
    >
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Search aria-hidden className="size-4 text-ink-3" />
        <input
          role="combobox"
          aria-label="Search and go anywhere"
          aria-expanded
          aria-controls={id}
          aria-activedescendant={found[chosen] ? `${id}-${chosen}` : undefined}
          placeholder="Go to a screen, a flow, or an execution’s ID"
          value={text}
          onChange={e => {
            setText(e.target.value)
            setAt(0)
          }}
          onKeyDown={e => {
            if (e.key === 'ArrowDown') setAt((chosen + 1) % found.length)
            else if (e.key === 'ArrowUp') setAt((chosen - 1 + found.length) % found.length)
            else if (e.key === 'Enter') choose(found[chosen])
            else return
            e.preventDefault()
          }}
          className="h-13 flex-1 bg-transparent text-base outline-none"
        />
      </div>
      <div id={id} role="listbox" aria-label="Results" className="max-h-[50vh] overflow-y-auto p-1.5">
        {found.map((f, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the search box has the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the search box
          <div
            key={f.key}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === chosen}
            onMouseMove={() => setAt(i)}
            onClick={() => choose(f)}
            ref={el => {
              if (i === chosen) el?.scrollIntoView({ block: 'nearest' })
            }}
            className={`flex cursor-pointer items-center gap-3 rounded-lg px-3 py-2.5 ${i === chosen ? 'bg-hover' : ''}`}
          >
            <span className="text-ink-3">{f.icon}</span>
            <span className="min-w-0 flex-1 truncate">{f.label}</span>
            {f.detail && <span className="text-[0.8125rem] text-ink-3">{f.detail}</span>}
            {i === chosen && <CornerDownLeft aria-hidden className="size-3.5 text-ink-3" />}
          </div>
        ))}
        {found.length === 0 && <p className="px-3 py-6 text-center text-ink-3">Nothing has that name.</p>}
      </div>
    </dialog>
  )
}
