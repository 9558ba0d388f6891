import type { FlowDocument } from '../flow/document.ts'
import { parseJSON, printJSON } from '../flow/exact.ts'
import type { History } from '../flow/history.ts'

// What a tab has not sent yet, in localStorage, by flow and tab: two tabs that
// edit one draft do not overwrite what the other has not sent.

export interface Journal {
  tab: string
  /** When it was written, in milliseconds since 1970. */
  at: number
  /** The document that the server had. */
  base: FlowDocument
  etag: string
  history: History
  open: string[]
}

const prefix = (id: string) => `sluice.draft.${id}.`

/** Writes it, and says whether it is kept. Where the storage is full the undo list is given up first. */
export function writeJournal(id: string, j: Journal): boolean {
  for (const least of [j, { ...j, history: { doc: j.history.doc, done: [], at: 0 } }]) {
    try {
      localStorage.setItem(prefix(id) + j.tab, printJSON(least))
      return true
    } catch {
      // Full.
    }
  }
  return false
}

export function journalOf(id: string, tab: string): Journal | null {
  const text = localStorage.getItem(prefix(id) + tab)
  if (!text) return null
  try {
    const j = parseJSON(text) as unknown as Journal
    return Array.isArray(j.history?.doc?.steps) && Array.isArray(j.base?.steps) && Array.isArray(j.history.done) ? { ...j, tab } : null
  } catch {
    return null
  }
}

export const dropJournal = (id: string, tab: string) => localStorage.removeItem(prefix(id) + tab)

/** The journals of tabs that are not open any more, the latest first. */
export function orphans(id: string, living: string[]): Journal[] {
  return Object.keys(localStorage)
    .filter(k => k.startsWith(prefix(id)))
    .map(k => k.slice(prefix(id).length))
    .filter(tab => !living.includes(tab))
    .flatMap(tab => journalOf(id, tab) ?? [])
    .sort((a, b) => b.at - a.at)
}

/** This tab's name, which a reload keeps. */
export function tabName(): string {
  const name = sessionStorage.getItem('sluice.tab') ?? random()
  sessionStorage.setItem('sluice.tab', name)
  return name
}

type Said = { says: 'who' | 'here'; tab: string; from: string } | { says: 'saved'; from: string }

/**
 * The other tabs of this browser with the same draft.
 * A tab that was copied with its storage takes another name.
 */
export class Presence {
  tab: string
  private readonly self = random()
  private readonly channel: BroadcastChannel
  private living = new Set<string>()

  constructor(id: string, onSaved: () => void) {
    this.tab = tabName()
    this.channel = new BroadcastChannel(`sluice.draft.${id}`)
    this.channel.onmessage = e => {
      const said = e.data as Said
      if (said.from === this.self) return
      if (said.says === 'saved') return onSaved()
      if (said.says === 'who') this.say({ says: 'here', tab: this.tab, from: this.self })
      else if (said.tab === this.tab) {
        this.tab = random()
        sessionStorage.setItem('sluice.tab', this.tab)
      }
      this.living.add(said.tab)
    }
    this.say({ says: 'who', tab: this.tab, from: this.self })
  }

  private say(what: Said) {
    this.channel.postMessage(what)
  }

  /** Tells the others that the server has something new. */
  saved() {
    this.say({ says: 'saved', from: this.self })
  }

  /** The names of the others, as far as they answer within half a second. */
  async others(): Promise<string[]> {
    await new Promise(r => setTimeout(r, 500))
    return [...this.living]
  }

  close() {
    this.channel.close()
  }
}

const random = () => crypto.getRandomValues(new Uint32Array(2)).join('')
