import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronRight, Copy, Search } from 'lucide-react'
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from 'react'
import { Exact, type Json, printJSON } from '../flow/exact.ts'
import { IconButton } from '../ui/button.tsx'
import { CopyButton, copyText } from '../ui/copy.tsx'
import { tell } from '../ui/toast.tsx'
import { find, limitsFor, openAtFirst, type Row, rowsOf, shownAtOnce } from './rows.ts'

const line = 24
const longest = 400

function Value({ row }: { row: Row }) {
  const v = row.value
  if (row.size >= 0) {
    const list = Array.isArray(v)
    return (
      <span className="text-ink-3">
        {list ? '[' : '{'}
        {row.size === 0 ? '' : row.open ? '' : list ? ` ${row.size} items ` : ` ${row.size} keys `}
        {row.open && row.size > 0 ? '' : list ? ']' : '}'}
      </span>
    )
  }
  if (v === null) return <span className="text-calm">null</span>
  if (typeof v === 'string') {
    return <span className="text-good">{JSON.stringify(v.length > longest ? `${v.slice(0, longest)}…` : v)}</span>
  }
  if (typeof v === 'boolean') return <span className="text-violet">{String(v)}</span>
  return <span className="text-info">{v instanceof Exact ? v.source : String(v)}</span>
}

/**
 * A payload as a tree: with arrow keys and a search, and the path of whatever
 * one points at to be copied. Everything in it is text, whatever it says.
 */
export function PayloadTree({ value, name, height = 320 }: { value: Json; name: string; height?: number }) {
  const [open, setOpen] = useState(() => openAtFirst(value, name))
  const [limits, setLimits] = useState<ReadonlyMap<string, number>>(new Map())
  const [text, setText] = useState('')
  const [hit, setHit] = useState(0)
  const [at, setAt] = useState(0)
  const own = useId()
  const scroll = useRef<HTMLDivElement>(null)
  const wanted = useDeferredValue(text.trim())
  const hits = useMemo(() => (wanted ? find(value, wanted, name) : []), [value, wanted, name])
  const rows = useMemo(() => rowsOf(value, open, name, limits), [value, open, name, limits])
  useEffect(() => {
    setOpen(openAtFirst(value, name))
    setAt(0)
  }, [value, name])
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => line, overscan: 12 })

  const shown = hits[hit % Math.max(1, hits.length)]
  useEffect(() => {
    if (!shown) return
    setOpen(o => (shown.around.every(p => o.has(p)) ? o : new Set([...o, ...shown.around])))
    setLimits(l => limitsFor(value, shown, l))
  }, [shown, value])
  // biome-ignore lint/correctness/useExhaustiveDependencies: scrolls when a hit's row is there
  useEffect(() => {
    const i = shown ? rows.findIndex(r => r.path === shown.path) : -1
    if (i < 0) return
    setAt(i)
    virtual.scrollToIndex(i, { align: 'center' })
  }, [shown, rows])

  const toggle = (r: Row) => {
    if (r.size === -2) {
      const path = r.path.slice(0, -'\u0000more'.length)
      setLimits(l => new Map(l).set(path, (l.get(path) ?? shownAtOnce) + shownAtOnce))
      return
    }
    if (r.size <= 0) return
    setOpen(o => {
      const next = new Set(o)
      if (!next.delete(r.path)) next.add(r.path)
      return next
    })
  }
  const move = (i: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, i))
    setAt(to)
    virtual.scrollToIndex(to)
  }
  const copyPath = (r: Row) => void copyText(r.path).then(() => tell(`Path ${r.path} copied`))
  const onKey = (e: KeyboardEvent) => {
    const r = rows[at]
    if (!r) return
    if (e.ctrlKey || e.metaKey || e.altKey) return
    switch (e.key) {
      case 'ArrowDown':
        move(at + 1)
        break
      case 'ArrowUp':
        move(at - 1)
        break
      case 'Home':
        move(0)
        break
      case 'End':
        move(rows.length - 1)
        break
      case 'ArrowRight':
        if (r.size > 0 && !r.open) toggle(r)
        else move(at + 1)
        break
      case 'ArrowLeft':
        if (r.open) toggle(r)
        else move(rows.findLastIndex((p, i) => i < at && p.depth < r.depth))
        break
      case 'Enter':
      case ' ':
        toggle(r)
        break
      case 'c':
        copyPath(r)
        break
      default:
        return
    }
    e.preventDefault()
  }

  return (
    <div className="overflow-hidden rounded-lg border border-line bg-sunken">
      <div className="flex items-center gap-1 border-b border-line bg-surface px-2 py-1">
        <Search aria-hidden className="size-3.5 shrink-0 text-ink-3" />
        <input
          aria-label={`Search in ${name}`}
          placeholder="Search keys and values"
          value={text}
          onChange={e => {
            setText(e.target.value)
            setHit(0)
          }}
          onKeyDown={e => e.key === 'Enter' && hits.length && setHit(h => (h + (e.shiftKey ? hits.length - 1 : 1)) % hits.length)}
          className="h-7 min-w-0 flex-1 bg-transparent px-1 text-[0.8125rem]"
        />
        {wanted && (
          <span role="status" className="shrink-0 text-xs text-ink-3">
            {hits.length ? `${(hit % hits.length) + 1} of ${hits.length}${hits.length >= 200 ? '+' : ''}` : 'nothing found'}
          </span>
        )}
        <CopyButton text={() => (typeof value === 'string' ? value : printJSON(value, 2))} name={name} />
      </div>
      <div
        ref={scroll}
        role="tree"
        tabIndex={0}
        aria-label={name}
        aria-activedescendant={`${own}${at}`}
        onKeyDown={onKey}
        className="overflow-auto py-1 font-mono text-[0.78rem]"
        style={{ maxHeight: height, height: Math.min(height, rows.length * line + 10) }}
      >
        <div style={{ height: virtual.getTotalSize(), position: 'relative', minWidth: '100%' }}>
          {virtual.getVirtualItems().map(v => {
            const r = rows[v.index]!
            const found = wanted && hits.some(h => h.path === r.path)
            return (
              // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus, and says which row is meant
              // biome-ignore lint/a11y/useKeyWithClickEvents: the tree takes the keys
              <div
                key={r.path}
                id={`${own}${v.index}`}
                role="treeitem"
                aria-level={r.depth + 1}
                aria-selected={v.index === at}
                aria-expanded={r.size > 0 ? r.open : undefined}
                onClick={() => {
                  setAt(v.index)
                  toggle(r)
                }}
                className={`group absolute left-0 flex w-full items-center gap-1 whitespace-nowrap pr-2 ${v.index === at ? 'bg-accent-soft' : found ? 'bg-warn-soft' : 'hover:bg-hover'}`}
                style={{ height: line, transform: `translateY(${v.start}px)`, paddingLeft: 8 + r.depth * 16 }}
              >
                <ChevronRight
                  aria-hidden
                  className={`size-3 shrink-0 text-ink-3 transition-transform ${r.open ? 'rotate-90' : ''} ${r.size > 0 ? '' : 'invisible'}`}
                />
                {r.size === -2 ? (
                  <span className="text-accent-ink">… {String(r.value)}</span>
                ) : (
                  <>
                    <span className="text-ink">{r.key === null ? name : r.key}</span>
                    <span className="text-ink-3">:</span>
                    <Value row={r} />
                    <IconButton
                      label={`Copy path ${r.path}`}
                      tabIndex={-1}
                      className="ml-1 !size-5 opacity-0 group-hover:opacity-100"
                      onClick={e => {
                        e.stopPropagation()
                        copyPath(r)
                      }}
                    >
                      <Copy aria-hidden className="size-3" />
                    </IconButton>
                  </>
                )}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}
