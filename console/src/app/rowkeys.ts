import { type RefObject, useCallback } from 'react'
import { useShortcut } from './shortcuts.tsx'

/**
 * j and k, and the arrow keys within the list, go from row to row: `[data-row]`
 * has its number, and the link or button in it takes the focus, so that Enter
 * opens it. show brings a row of a virtual list into being.
 */
export function useRowKeys(list: RefObject<HTMLElement | null>, count: number, show: (row: number) => void = () => {}) {
  const focus = useCallback(
    (row: number) => {
      const there = () => {
        const to = list.current?.querySelector<HTMLElement>(`[data-row="${row}"]`)
        const link = to?.matches('a, button') ? to : to?.querySelector<HTMLElement>('a, button')
        link?.focus()
        to?.scrollIntoView?.({ block: 'nearest' })
        return link !== undefined && link !== null
      }
      // At once where it can be: an Enter may come in the same frame.
      if (there()) return
      show(row)
      requestAnimationFrame(there)
    },
    [list, show],
  )
  const step = (by: number, from: Element | null) => {
    if (count === 0) return
    const at = from?.closest<HTMLElement>('[data-row]')
    focus(at && list.current?.contains(at) ? Math.max(0, Math.min(count - 1, Number(at.dataset.row) + by)) : 0)
  }
  useShortcut('j', () => step(1, document.activeElement), { label: 'Next row' })
  useShortcut('k', () => step(-1, document.activeElement), { label: 'Row before' })
  return (e: { key: string; target: unknown; preventDefault: () => void }) => {
    if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return
    e.preventDefault()
    step(e.key === 'ArrowDown' ? 1 : -1, e.target as Element)
  }
}
