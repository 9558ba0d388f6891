import type { RefObject } from 'react'
import { useShortcut } from '../app/shortcuts.tsx'
import { TRIGGER } from '../flow/graph.ts'
import type { BoardActions } from './board.tsx'
import type { Draft } from './draft.ts'
import { neighbour, type Placed } from './layout.ts'

interface Graph {
  area: RefObject<HTMLElement | null>
  at: string
  placed: Placed
  actions: BoardActions
  draft: Draft
  addHere: () => void
}

/** The canvas by keyboard. Its keys work while a step on it has the focus; Shift+Tab leaves it, F6 goes to the panel and back. */
export function useGraphKeys({ area, at, placed, actions, addHere }: Graph) {
  const on = (e: KeyboardEvent) => e.target instanceof HTMLElement && e.target.dataset.node !== undefined
  const near = (e: KeyboardEvent) => on(e) || e.target === document.body
  const go = (way: 'up' | 'down' | 'left' | 'right') => () => {
    const next = neighbour(placed, at, way)
    if (next === undefined) return
    actions.choose(next)
    requestAnimationFrame(() =>
      area.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(next)}"]`)?.focus({ preventScroll: true }),
    )
  }
  useShortcut('tab', addHere, { label: 'Add a step behind the chosen one', when: on })
  useShortcut('b', () => actions.add({ after: at, branch: true }), { label: 'Add a branch', when: on })
  useShortcut('arrowup', go('up'), { label: 'To the step before', when: near })
  useShortcut('arrowdown', go('down'), { label: 'To the step behind', when: near })
  useShortcut('arrowleft', go('left'), { label: 'To the branch on the left', when: near })
  useShortcut('arrowright', go('right'), { label: 'To the branch on the right', when: near })
  useShortcut('enter', () => actions.open(at), { label: 'Set the step up', when: on })
  useShortcut('f2', () => actions.rename(at, null), { label: 'Rename the step', when: near })
  useShortcut('mod+d', () => at !== TRIGGER && actions.duplicate(at), { label: 'Duplicate the step' })
  useShortcut('delete', () => actions.remove(at), { label: 'Delete the step', when: near })
  useShortcut('backspace', () => actions.remove(at), { when: on })
}
