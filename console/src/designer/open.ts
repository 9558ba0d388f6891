import { createContext, use, useSyncExternalStore } from 'react'
import type { Wrong } from '../flow/check.ts'
import type { Connector } from './components.ts'
import type { Draft } from './draft.ts'

/** What the designer's tabs (canvas, YAML, versions) share: one draft, and what is known of it. */
export interface Opened {
  draft: Draft
  /** Absent until the server has answered. */
  connectors: Connector[] | undefined
  /** What keeps it from being published; empty until connectors and credentials are known. */
  wrong: Wrong[]
}

export const OpenedContext = createContext<Opened | null>(null)

/** The draft that is open, and its state as it is now. Only within the designer. */
export function useOpened() {
  const opened = use(OpenedContext)
  if (!opened) throw new Error('This is shown outside of the designer.')
  const state = useSyncExternalStore(opened.draft.subscribe, opened.draft.get)
  return { ...opened, ...state, doc: state.history.doc }
}
